#include "progress.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace lamina::tool {
namespace {

std::string written(const Display& display, int epochs, bool quiet) {
  std::FILE* file = std::tmpfile();
  {
    Progress progress(file, display, epochs, epochs * 10.0, quiet);
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      progress.advance(10);
      progress.finish_epoch(epoch, 0.5, 0.975);
    }
    progress.close();
  }
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

TEST(Progress, Texts) {
  EXPECT_EQ(duration_text(0), "0:00");
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(725), "12:05");
  EXPECT_EQ(duration_text(10812), "3:00:12");
  EXPECT_EQ(duration_text(-1), "-:--");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::infinity()), "-:--");
  EXPECT_EQ(count_text(950), "950");
  EXPECT_EQ(count_text(12345), "12.3k");
  EXPECT_EQ(count_text(4.56e6), "4.56M");
  EXPECT_EQ(count_text(999.6), "1k");
}

TEST(Progress, TerminalLineFitsAndColors) {
  const ProgressState state{.epoch = 3,
                            .epochs = 6,
                            .share = 0.5,
                            .rate = 12345,
                            .seconds_left = 65,
                            .loss = 0.12345,
                            .accuracy = 0.97654};
  EXPECT_EQ(
      terminal_line(state, {.is_terminal = true, .width = 120}),
      "epoch 3/6 [##########..........] loss 0.1235  test 97.65 %  12.3k images/s  1:05 left");
  EXPECT_EQ(terminal_line(state, {.is_terminal = true, .color = true, .width = 120}),
            "epoch 3/6 [\x1b[32m##########..........\x1b[0m] loss 0.1235  test 97.65 %  12.3k "
            "images/s  1:05 left");
  for (const int width : {0, 1, 10, 40, 80}) {
    EXPECT_LT(static_cast<int>(terminal_line(state, {.color = true, .width = width}).size()),
              std::max(width, 1));
  }
}

TEST(Progress, PlainLinesAreFew) {
  const std::string three = written({}, 3, false);
  EXPECT_EQ(std::count(three.begin(), three.end(), '\n'), 3);
  EXPECT_EQ(three.find('\r'), std::string::npos);
  EXPECT_EQ(three.find('\x1b'), std::string::npos);
  EXPECT_EQ(three.rfind("epoch 1/3  loss 0.5000  test accuracy 97.50 %  ", 0), 0U);
  const std::string many = written({}, 1000, false);
  EXPECT_LE(std::count(many.begin(), many.end(), '\n'), 21);
  EXPECT_NE(many.find("epoch 1000/1000"), std::string::npos);
  EXPECT_EQ(written({}, 5, true), "");
}

TEST(Progress, TerminalRedrawsOneLine) {
  const std::string text = written({.is_terminal = true, .width = 100}, 50, false);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_NE(text.find("\repoch 50/50"), std::string::npos);
  EXPECT_EQ(written({.is_terminal = true}, 5, true), "");
}

TEST(Progress, NoDisplayForFiles) {
  std::FILE* file = std::tmpfile();
  const Display display = Display::detect(file);
  EXPECT_FALSE(display.is_terminal);
  EXPECT_FALSE(display.color);
  std::fclose(file);
}

}  // namespace
}  // namespace lamina::tool
