#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace lamina::tool {

namespace {

constexpr int kBarWidth = 20;
constexpr int kPlainLines = 20;
constexpr auto kRedrawAfter = std::chrono::milliseconds(100);

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

Display Display::detect(std::FILE* file) {
  Display display;
  const int descriptor = ::fileno(file);
  const char* term = std::getenv("TERM");
  const bool is_dumb = term != nullptr && std::string_view(term) == "dumb";
  display.is_terminal = ::isatty(descriptor) == 1 && !is_dumb;
  display.color = display.is_terminal && !is_set("NO_COLOR");
  winsize size{};
  if (display.is_terminal && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    display.width = size.ws_col;
  }
  return display;
}

std::string duration_text(double seconds) {
  // Of what is not known yet, and of more than a year, no number.
  if (!(seconds >= 0 && seconds < 3.2e7)) {
    return "-:--";
  }
  const auto total = static_cast<long>(std::lround(seconds));
  const long hours = total / 3600;
  const long minutes = total / 60 % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60)
                   : fmt::format("{}:{:02}", minutes, total % 60);
}

std::string count_text(double count) {
  if (!(count >= 0)) {
    return "-";
  }
  if (count < 999.5) {
    return fmt::format("{:.0f}", count);
  }
  return count < 999.5e3 ? fmt::format("{:.3g}k", count / 1e3)
                         : fmt::format("{:.3g}M", count / 1e6);
}

std::string terminal_line(const ProgressState& state, const Display& display) {
  const int filled = static_cast<int>(std::clamp(state.share, 0.0, 1.0) * kBarWidth);
  std::string head = fmt::format("epoch {}/{} [", state.epoch, state.epochs);
  const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                          std::string(static_cast<std::size_t>(kBarWidth - filled), '.');
  std::string tail = "]";
  if (state.epoch > 0) {
    tail += fmt::format(" loss {:.4f}  test {:.2f} %", state.loss, 100 * state.accuracy);
  }
  tail += fmt::format("  {} images/s  {} left", count_text(state.rate),
                      duration_text(state.seconds_left));
  const std::size_t length = head.size() + bar.size() + tail.size();
  // A line that wraps cannot be drawn over; the last column is left free for the cursor.
  if (length >= static_cast<std::size_t>(std::max(display.width, 1))) {
    return (head + bar + tail).substr(0, static_cast<std::size_t>(std::max(display.width, 1) - 1));
  }
  return display.color ? head + "\x1b[32m" + bar + "\x1b[0m" + tail : head + bar + tail;
}

std::string plain_line(const ProgressState& state) {
  return fmt::format("epoch {}/{}  loss {:.4f}  test accuracy {:.2f} %  {} images/s  {} left",
                     state.epoch, state.epochs, state.loss, 100 * state.accuracy,
                     count_text(state.rate), duration_text(state.seconds_left));
}

Progress::Progress(std::FILE* out, const Display& display, int epochs, double work, bool quiet)
    : out_(out),
      display_(display),
      quiet_(quiet),
      work_(work),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_ - kRedrawAfter) {
  state_.epochs = epochs;
}

Progress::~Progress() {
  close();
}

void Progress::draw() {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  state_.share = work_ > 0 ? done_ / work_ : 1;
  state_.rate = seconds > 0 ? done_ / seconds : 0;
  state_.seconds_left = state_.rate > 0 ? (work_ - done_) / state_.rate : -1;
  if (display_.is_terminal) {
    // \x1b[K clears what a longer line left behind.
    fmt::print(out_, "\r{}\x1b[K", terminal_line(state_, display_));
    is_open_ = true;
  } else {
    fmt::print(out_, "{}\n", plain_line(state_));
  }
  std::fflush(out_);
  drawn_ = now;
}

void Progress::advance(double images) {
  done_ += images;
  if (!quiet_ && display_.is_terminal && std::chrono::steady_clock::now() - drawn_ > kRedrawAfter) {
    draw();
  }
}

void Progress::finish_epoch(int epoch, double loss, double accuracy) {
  state_.epoch = epoch;
  state_.loss = loss;
  state_.accuracy = accuracy;
  const int stride = (state_.epochs + kPlainLines - 1) / kPlainLines;
  const bool is_last = epoch == state_.epochs;
  const bool due = display_.is_terminal ? std::chrono::steady_clock::now() - drawn_ > kRedrawAfter
                                        : epoch == 1 || epoch % stride == 0;
  if (!quiet_ && (due || is_last)) {
    draw();
  }
}

void Progress::close() {
  if (is_open_) {
    fmt::print(out_, "\n");
    std::fflush(out_);
    is_open_ = false;
  }
}

}  // namespace lamina::tool
