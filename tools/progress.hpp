#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace lamina::tool {

/// How progress is shown.
struct Display {
  bool is_terminal = false;  ///< one line, drawn over and over; otherwise plain lines
  bool color = false;
  int width = 80;

  /// What `file` and the environment allow: NO_COLOR (no-color.org) and TERM=dumb are honored.
  [[nodiscard]] static Display detect(std::FILE* file);
};

/// State of a training run for one drawing.
struct ProgressState {
  int epoch = 0;     ///< finished epochs
  int epochs = 1;    ///< wanted epochs
  double share = 0;  ///< of the whole work, 0 to 1
  double rate = 0;   ///< images a second
  double seconds_left = 0;
  double loss = 0;
  double accuracy = 0;  ///< on the test set, 0 to 1
};

/// The line for a terminal, without line end, at most display.width columns.
[[nodiscard]] std::string terminal_line(const ProgressState& state, const Display& display);
/// The line for a log.
[[nodiscard]] std::string plain_line(const ProgressState& state);
/// "0:07", "12:05", "3:00:12".
[[nodiscard]] std::string duration_text(double seconds);
/// "950", "12.3k", "4.56M".
[[nodiscard]] std::string count_text(double count);

/// Shows how far training is: on a terminal ten times a second, otherwise at some twenty epochs.
class Progress {
 public:
  /// `work` counts all images of all epochs.
  Progress(std::FILE* out, const Display& display, int epochs, double work, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `images` more were trained on.
  void advance(double images);
  void finish_epoch(int epoch, double loss, double accuracy);
  /// Leaves the line as it is and goes to the next.
  void close();

 private:
  void draw();

  std::FILE* out_;
  Display display_;
  bool quiet_;
  double work_;
  double done_ = 0;
  bool is_open_ = false;
  ProgressState state_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace lamina::tool
