#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <new>

#include "commands.hpp"
#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"

// Exit codes: 0 done, 1 it did not work, 2 the command line makes no sense, 130 interrupted.

namespace {

using lamina::tool::ModelOptions;
using lamina::tool::TrainOptions;

void add_data_option(CLI::App& command, std::string& data) {
  command.add_option("--data", data, "CSV file of the digits; found by itself unless moved")
      ->type_name("FILE");
}

CLI::App* add_train(CLI::App& app, TrainOptions& options) {
  CLI::App* train = app.add_subcommand("train", "Train a network");
  train->require_subcommand(1);
  CLI::App* digits = train->add_subcommand(
      "digits",
      "Train a network on 1,797 handwritten digits; leaves model.safetensors, "
      "history.csv and curve.svg");
  digits->add_option("--out", options.out, "folder for the results")
      ->type_name("FOLDER")
      ->capture_default_str();
  digits
      ->add_option("--seed", options.seed,
                   "the same seed gives the same model, on any number of threads")
      ->type_name("N")
      ->capture_default_str();
  digits->add_option("--epochs", options.epochs, "passes over the training images")
      ->check(CLI::Range(1, 100000))
      ->type_name("N")
      ->capture_default_str();
  digits->add_option("--batch-size", options.batch_size, "images for one step")
      ->check(CLI::Range(1, 100000))
      ->type_name("N")
      ->capture_default_str();
  digits->add_option("--lr", options.lr, "learning rate at its highest")
      ->check(CLI::PositiveNumber)
      ->type_name("RATE")
      ->capture_default_str();
  digits->add_option("--hidden", options.hidden, "widths of the hidden layers")
      ->delimiter(',')
      ->check(CLI::Range(1, 8192))
      ->type_name("N,N...")
      ->capture_default_str();
  digits->add_flag("-q,--quiet", options.quiet, "print the result only");
  add_data_option(*digits, options.data);
  return digits;
}

int run(int argc, char** argv) {
  CLI::App app("Trains, tests and uses small neural networks on the CPU.", "lamina");
  app.set_version_flag("--version", "lamina " LAMINA_VERSION);
  app.require_subcommand(1);
  int threads = 0;

  TrainOptions train_options;
  ModelOptions model_options;
  CLI::App* info = app.add_subcommand("info", "Show what lamina runs on: CPU, SIMD, threads");
  CLI::App* digits = add_train(app, train_options);
  CLI::App* eval = app.add_subcommand("eval", "Test a model on images it was not trained on");
  CLI::App* predict = app.add_subcommand("predict", "Show images and what a model takes them for");
  for (CLI::App* command : {info, digits, eval, predict}) {
    command
        ->add_option("--threads", threads,
                     "threads to use; `lamina info` shows how many unless told")
        ->check(CLI::Range(1, 1024))
        ->type_name("N");
  }
  for (CLI::App* command : {eval, predict}) {
    command->add_option("MODEL", model_options.model, "model.safetensors of `lamina train`")
        ->required();
    add_data_option(*command, model_options.data);
  }
  predict->add_option("IMAGE", model_options.images,
                      "images by number, counted from 0; a few of the test set unless told");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (threads > 0) {
    lamina::set_num_threads(threads);
  }
  if (info->parsed()) {
    return lamina::tool::show_info();
  }
  if (digits->parsed()) {
    return lamina::tool::train_digits(train_options);
  }
  return eval->parsed() ? lamina::tool::evaluate(model_options)
                        : lamina::tool::predict(model_options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "lamina: out of memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  return 1;
}
