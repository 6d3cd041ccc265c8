#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <numbers>
#include <optional>

#include "chart.hpp"
#include "commands.hpp"
#include "digits_model.hpp"
#include "jitter.hpp"
#include "lamina/autograd/ops_loss.hpp"
#include "lamina/data/batch_loader.hpp"
#include "lamina/data/digits.hpp"
#include "lamina/io/file.hpp"
#include "lamina/optim/optimizer.hpp"
#include "progress.hpp"

namespace lamina::tool {

namespace {

constexpr double kWeightDecay = 1e-2;
constexpr double kWarmUpEpochs = 2;
constexpr int kInterrupted = 130;  // 128 + SIGINT, as shells have it

// Streams of the seed's generator.
constexpr std::uint64_t kWeightStream = 0;
constexpr std::uint64_t kJitterStream = 1;

volatile std::sig_atomic_t interrupted = 0;

/// While it lives, Ctrl-C and a polite kill set `interrupted`; the second one ends the program.
class InterruptGuard {
 public:
  InterruptGuard() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, &old_interrupt_);
    ::sigaction(SIGTERM, &action, &old_terminate_);
  }
  ~InterruptGuard() {
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction old_interrupt_ {};
  struct sigaction old_terminate_ {};
};

/// What one epoch ended with. Both losses and accuracies are those of the finished epoch's weights
/// on images as they are, so that they can be compared.
struct EpochResult {
  int epoch;
  double lr;
  double train_loss;
  double train_accuracy;
  double test_loss;
  double test_accuracy;
};

/// Rises for two epochs, then falls along a cosine. Loshchilov and Hutter 2017, without restarts.
double learning_rate(double highest, Index step, Index steps_an_epoch, int epochs) {
  const double epoch = (static_cast<double>(step) + 1) / static_cast<double>(steps_an_epoch);
  const double warm_up = std::min(1.0, epoch / kWarmUpEpochs);
  return highest * warm_up * 0.5 * (1 + std::cos(std::numbers::pi * epoch / epochs));
}

std::string history_csv(const std::vector<EpochResult>& history) {
  std::string text = "epoch,learning_rate,train_loss,train_accuracy,test_loss,test_accuracy\n";
  for (const EpochResult& r : history) {
    text += fmt::format("{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g}\n", r.epoch, r.lr, r.train_loss,
                        r.train_accuracy, r.test_loss, r.test_accuracy);
  }
  return text;
}

std::string curve_svg(const std::vector<EpochResult>& history, const std::string& title) {
  const auto series = [&](std::string name, double EpochResult::*value) {
    Series result{std::move(name), {}, {}};
    for (const EpochResult& r : history) {
      result.x.push_back(r.epoch);
      result.y.push_back(r.*value);
    }
    return result;
  };
  const Panel loss{.title = "Loss (cross entropy)",
                   .x_label = "epoch",
                   .logarithmic = true,
                   .series = {series("train", &EpochResult::train_loss),
                              series("test", &EpochResult::test_loss)}};
  const Panel accuracy{.title = "Accuracy",
                       .x_label = "epoch",
                       .percent = true,
                       .series = {series("train", &EpochResult::train_accuracy),
                                  series("test", &EpochResult::test_accuracy)}};
  return line_chart(title, {loss, accuracy});
}

/// The run of one `lamina train digits`.
class Training {
 public:
  explicit Training(const TrainOptions& options)
      : options_(options),
        split_(split_digits(find_digits(options.data))),
        jitter_(Generator(options.seed).split(kJitterStream)),
        model_(initial_model(options)),
        optimizer_(model_.net.parameters(), {.lr = options.lr, .weight_decay = kWeightDecay}),
        loader_(split_.train, {.batch_size = options.batch_size, .seed = options.seed}),
        images_(Array<float>::empty(
            {std::min(options.batch_size, split_.train.size()), split_.train.features.cols()})) {}

  /// False if it was interrupted in this epoch.
  bool run_epoch(int epoch, Progress& progress) {
    for (const auto& [features, labels, indices] : loader_.epoch(epoch)) {
      if (interrupted != 0) {
        return false;
      }
      const MutView<float> images = images_.slice(0, labels.size());
      jitter(features, data::kDigitsSide, jitter_, images);
      lr_ = learning_rate(options_.lr, step_++, loader_.size(), options_.epochs);
      optimizer_.set_lr(lr_);
      optimizer_.zero_grad();
      nn::cross_entropy(labels, model_.net(images)).backward();
      optimizer_.step();
      progress.advance(static_cast<double>(labels.size()));
    }
    return true;
  }

  EpochResult measure(int epoch) {
    const Evaluation train = evaluate_model(model_, split_.train);
    const Evaluation test = evaluate_model(model_, split_.test);
    return {epoch, lr_, train.loss, train.accuracy, test.loss, test.accuracy};
  }

  [[nodiscard]] const DigitsModel& model() const noexcept { return model_; }
  [[nodiscard]] Index train_size() const { return split_.train.size(); }
  [[nodiscard]] Index test_size() const { return split_.test.size(); }

 private:
  static DigitsModel initial_model(const TrainOptions& options) {
    Generator generator = Generator(options.seed).split(kWeightStream);
    return make_digits_model(options.hidden, generator);
  }

  const TrainOptions& options_;
  data::Split<float> split_;
  Generator jitter_;
  DigitsModel model_;
  optim::AdamW<float> optimizer_;
  data::BatchLoader<float> loader_;
  Array<float> images_;
  Index step_ = 0;
  double lr_ = 0;
};

/// Model, history and curve. The model comes last: where it is, the others are.
void write_results(const TrainOptions& options, const DigitsModel& model,
                   const std::vector<EpochResult>& history) {
  const std::filesystem::path folder = options.out;
  const std::string title = fmt::format("Handwritten digits, perceptron {}, seed {}",
                                        widths_text(model.widths), options.seed);
  io::write_file_atomically((folder / "history.csv").string(), history_csv(history));
  io::write_file_atomically((folder / "curve.svg").string(), curve_svg(history, title));
  save_digits_model((folder / "model.safetensors").string(), model,
                    {{"epochs", std::to_string(history.size())},
                     {"seed", std::to_string(options.seed)},
                     {"test_accuracy", fmt::format("{:.6g}", history.back().test_accuracy)}});
}

/// Finds out before the training whether its results can be written.
void prepare_folder(const std::string& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  check(!code && std::filesystem::is_directory(folder, code), ErrorKind::IoError, "lamina",
        "cannot make the folder ", folder, ": ",
        code ? code.message() : std::string("it is a file"));
  const std::string probe = (std::filesystem::path(folder) / "history.csv").string();
  if (!std::filesystem::exists(probe)) {
    io::write_file_atomically(probe, "");
    std::filesystem::remove(probe, code);
  }
}

}  // namespace

int train_digits(const TrainOptions& options) {
  Training training(options);
  prepare_folder(options.out);
  const InterruptGuard guard;
  const auto start = std::chrono::steady_clock::now();
  if (!options.quiet) {
    fmt::print("perceptron {}, {} numbers; {} images to train on, {} to test\n",
               widths_text(training.model().widths), training.model().net.parameter_count(),
               training.train_size(), training.test_size());
    std::fflush(stdout);
  }
  std::vector<EpochResult> history;
  {
    Progress progress(stdout, Display::detect(stdout), options.epochs,
                      static_cast<double>(options.epochs * training.train_size()), options.quiet);
    for (int epoch = 1; epoch <= options.epochs && training.run_epoch(epoch - 1, progress);
         ++epoch) {
      history.push_back(training.measure(epoch));
      progress.finish_epoch(epoch, history.back().train_loss, history.back().test_accuracy);
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (history.empty()) {
    fmt::print(stderr, "lamina: interrupted in the first epoch; nothing is written\n");
    return kInterrupted;
  }
  write_results(options, training.model(), history);
  const double accuracy = history.back().test_accuracy;
  const double right = std::round(accuracy * static_cast<double>(training.test_size()));
  fmt::print("test accuracy {:.2f} % ({:.0f} of {} images), {} epochs in {:.1f} s\n",
             100 * accuracy, right, training.test_size(), history.size(), seconds);
  if (!options.quiet) {
    fmt::print("model.safetensors, history.csv and curve.svg are in {}\n", options.out);
  }
  if (static_cast<int>(history.size()) < options.epochs) {
    fmt::print(stderr, "lamina: interrupted in epoch {}; the model is what it was by then\n",
               history.size() + 1);
    return kInterrupted;
  }
  return 0;
}

}  // namespace lamina::tool
