// Times lamina and the libraries it competes with, on the same arrays, in one process, taking
// turns, so that the noise of the machine hits all alike. Prints a line for each row; writes a
// table in Markdown and one in CSV.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iomanip>
#include <limits>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "compare/lamina_peer.hpp"
#include "compare/limits.hpp"
#include "compare/rows.hpp"
#include "lamina/core/parallel.hpp"

namespace {

using namespace lamina::compare;
using Clock = std::chrono::steady_clock;

constexpr const char* kHelp = R"(compare [OPTIONS]

  --rows TEXT      only rows whose name contains one of the comma-separated texts, e.g. gemm,softmax 1024
                   (a name is: group operation shape, e.g. "elementwise relu 4096")
  --types TEXT     f32, f64 or both, comma-separated; both unless told
  --threads LIST   thread counts, e.g. 1,2; one and all unless told
  --terms TEXT     plain, packed, nhwc, comma-separated; all unless told
  --peers TEXT     only peers of these names, comma-separated
  --rounds N       how often each takes its turn (9); the least time counts
  --time MS        about how long a turn takes (12)
  --quick          4 rounds of 4 ms
  --out PREFIX     writes PREFIX.md and PREFIX.csv
  --list           prints the names of the rows
  --machine        prints the machine's limits
)";

struct Settings {
  std::vector<std::string> rows, types = {"f32", "f64"}, terms = {"plain", "packed", "nhwc"}, peers;
  std::vector<int> threads;
  int rounds = 9;
  double turn = 12e-3;
  std::string out;
  bool list = false, machine = false;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Entrant {
  Job job;
  std::string peer;
  double best = std::numeric_limits<double>::infinity();
  long calls = 1;  // in one measurement
  double difference = 0;
};

struct Result {
  const Row* row;
  Type type;
  Terms terms;
  int threads;
  std::vector<Entrant> entrants;  // lamina first
  double limit;
};

// One turn: a call to warm up, unless a call is longer than a turn, then measurements of several
// calls, of which the least counts.
void take_turn(Entrant& entrant, double duration) {
  const auto start = Clock::now();
  if (entrant.best < duration) {
    entrant.job.run();
  }
  do {
    const auto before = Clock::now();
    for (long i = 0; i < entrant.calls; ++i) {
      entrant.job.run();
    }
    entrant.best =
        std::min(entrant.best, seconds_since(before) / static_cast<double>(entrant.calls));
  } while (seconds_since(start) < duration);
}

// So many calls that the clock's own cost and resolution do not matter.
void calibrate(Entrant& entrant) {
  for (;;) {
    const auto before = Clock::now();
    for (long i = 0; i < entrant.calls; ++i) {
      entrant.job.run();
    }
    const double elapsed = seconds_since(before);
    if (elapsed > 2e-5) {
      return;
    }
    entrant.calls *= 2;
  }
}

// Greatest difference of two results, relative to the greatest value.
template <class T>
double difference(const void* left, const void* right, std::int64_t size) {
  const T* a = static_cast<const T*>(left);
  const T* b = static_cast<const T*>(right);
  double worst = 0, scale = 1e-30;
  for (std::int64_t i = 0; i < size; ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    scale = std::max(scale, std::abs(static_cast<double>(a[i])));
  }
  return worst / scale;
}

void compare_results(const Problem& problem, std::vector<Entrant>& entrants) {
  std::int64_t size = 1;
  for (const std::int64_t extent : problem.out_dims) {
    size *= extent;
  }
  for (Entrant& entrant : entrants) {
    if (&entrant != &entrants.front() && entrants.front().job.output && entrant.job.output) {
      entrant.difference =
          problem.type == Type::F32
              ? difference<float>(entrants.front().job.output(), entrant.job.output(), size)
              : difference<double>(entrants.front().job.output(), entrant.job.output(), size);
      if (!(entrant.difference < (problem.type == Type::F32 ? 2e-4 : 1e-8))) {
        std::fprintf(stderr, "compare: %s: %s differs from lamina by %.1e of the greatest value\n",
                     problem.op.c_str(), entrant.job.label.c_str(), entrant.difference);
      }
    }
  }
}

const char* type_name(Type type) {
  return type == Type::F32 ? "f32" : "f64";
}
const char* terms_name(Terms terms) {
  return terms == Terms::Plain ? "plain" : terms == Terms::Packed ? "packed" : "nhwc";
}

std::string time_text(double seconds) {
  char text[32];
  if (seconds < 1e-6) {
    std::snprintf(text, sizeof text, "%.0f ns", seconds * 1e9);
  } else if (seconds < 1e-3) {
    std::snprintf(text, sizeof text, "%.2f us", seconds * 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.2f ms", seconds * 1e3);
  }
  return text;
}

const Entrant* best_peer(const Result& result) {
  const Entrant* best = nullptr;
  for (const Entrant& entrant : result.entrants) {
    if (entrant.peer != "lamina" && (best == nullptr || entrant.best < best->best)) {
      best = &entrant;
    }
  }
  return best;
}

class Report {
 public:
  explicit Report(const std::string& prefix) {
    if (!prefix.empty()) {
      markdown_.open(prefix + ".md");
      csv_.open(prefix + ".csv");
      if (!markdown_ || !csv_) {
        throw std::runtime_error("cannot write " + prefix + ".md and .csv");
      }
      csv_ << "group,operation,shape,type,threads,terms,lamina_s,best_peer,best_peer_s,ratio,limit_"
              "s,"
              "fraction,others\n";
    }
  }
  void line(const std::string& text) {
    std::puts(text.c_str());
    if (markdown_.is_open()) {
      markdown_ << text << "\n" << std::flush;
    }
  }
  void add(const Result& r) {
    const Entrant& ours = r.entrants.front();
    const Entrant* const peer = best_peer(r);
    const double fraction = r.limit > 0 ? r.limit / ours.best : 0;
    char text[512];
    std::snprintf(text, sizeof text, "| %s %s | %s | %d | %s | %s | %s | %s | %s | %s |",
                  r.row->op.c_str(), shape_of(*r.row).c_str(), type_name(r.type), r.threads,
                  terms_name(r.terms), time_text(ours.best).c_str(),
                  peer != nullptr ? peer->job.label.c_str() : "-",
                  peer != nullptr ? time_text(peer->best).c_str() : "-",
                  peer != nullptr ? number("%.2f", peer->best / ours.best).c_str() : "-",
                  fraction > 0 ? number("%.0f %%", 100 * fraction).c_str() : "-");
    line(text);
    if (csv_.is_open()) {
      csv_ << r.row->group << ',' << r.row->op << ',' << shape_of(*r.row) << ','
           << type_name(r.type) << ',' << r.threads << ',' << terms_name(r.terms) << ','
           << ours.best << ',' << (peer != nullptr ? peer->job.label : "") << ','
           << (peer != nullptr ? peer->best : 0) << ','
           << (peer != nullptr ? peer->best / ours.best : 0) << ',' << r.limit << ',' << fraction
           << ',';
      for (const Entrant& entrant : r.entrants) {
        if (entrant.peer != "lamina") {
          csv_ << entrant.job.label << ' ' << entrant.best << "; ";
        }
      }
      csv_ << '\n' << std::flush;
    }
  }

 private:
  static std::string number(const char* format, double value) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
  }
  std::ofstream markdown_, csv_;
};

std::vector<std::unique_ptr<Peer>> load_peers(const Settings& settings, std::string& missing) {
  std::vector<std::unique_ptr<Peer>> peers;
  // PyTorch loads whichever BLAS is first of its name: the one that shares its threads.
  dlopen(LAMINA_COMPARE_TORCH_BLAS, RTLD_NOW | RTLD_LOCAL);
  const struct {
    const char* name;
    const char* adapter;
    const char* library;
  } candidates[] = {
      {"pytorch", LAMINA_COMPARE_ADAPTERS "/libcompare_torch.so", ""},
      {"onednn", LAMINA_COMPARE_ADAPTERS "/libcompare_dnnl.so", ""},
      {"openblas", LAMINA_COMPARE_ADAPTERS "/libcompare_blas.so", LAMINA_COMPARE_OPENBLAS},
      {"blis", LAMINA_COMPARE_ADAPTERS "/libcompare_blas.so", LAMINA_COMPARE_BLIS},
      {"eigen", LAMINA_COMPARE_ADAPTERS "/libcompare_eigen.so", ""},
      {"onnxruntime", LAMINA_COMPARE_ADAPTERS "/libcompare_ort.so", LAMINA_COMPARE_ORT},
  };
  for (const auto& candidate : candidates) {
    if (!settings.peers.empty() && !contains(settings.peers, candidate.name)) {
      continue;
    }
    const char* path = candidate.library;
    if (std::string(candidate.name) == "onnxruntime" &&
        std::getenv("LAMINA_COMPARE_ORT") != nullptr) {
      path = std::getenv("LAMINA_COMPARE_ORT");
    }
    Peer* peer = nullptr;
    if (void* const adapter = dlopen(candidate.adapter, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)) {
      const auto make =
          reinterpret_cast<Peer* (*)(const char*)>(dlsym(adapter, "lamina_compare_peer"));
      peer = make != nullptr ? make(path) : nullptr;
    }
    if (peer == nullptr) {
      missing += std::string(missing.empty() ? "" : ", ") + candidate.name;
    } else {
      peers.emplace_back(peer);
    }
  }
  return peers;
}

// Ways in which libraries older than the CPU are told to use its widest vectors.
void choose_kernels() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("flags") && line.find(" avx512f") != std::string::npos) {
      setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
      setenv("BLIS_ARCH_TYPE", "0", 1);  // skx in BLIS 0.9
      return;
    }
  }
}

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto value = [&] {
      if (i + 1 >= argc) {
        throw std::runtime_error(option + " needs a value");
      }
      return std::string(argv[++i]);
    };
    if (option == "--rows") {
      s.rows = split(value());
    } else if (option == "--types") {
      s.types = split(value());
    } else if (option == "--terms") {
      s.terms = split(value());
    } else if (option == "--peers") {
      s.peers = split(value());
    } else if (option == "--threads") {
      for (const std::string& part : split(value())) {
        s.threads.push_back(std::stoi(part));
      }
    } else if (option == "--rounds") {
      s.rounds = std::stoi(value());
    } else if (option == "--time") {
      s.turn = std::stod(value()) * 1e-3;
    } else if (option == "--quick") {
      s.rounds = 4;
      s.turn = 4e-3;
    } else if (option == "--out") {
      s.out = value();
    } else if (option == "--list") {
      s.list = true;
    } else if (option == "--machine") {
      s.machine = true;
    } else if (option == "--help" || option == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else {
      throw std::runtime_error("unknown option " + option);
    }
  }
  return s;
}

std::string name_of(const Row& row) {
  return row.group + " " + row.op + " " + shape_of(row);
}

bool chosen(const Settings& settings, const Row& row) {
  const std::string name = name_of(row);
  return settings.rows.empty() ||
         std::any_of(settings.rows.begin(), settings.rows.end(),
                     [&](const std::string& text) { return name.find(text) != std::string::npos; });
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "unknown CPU";
}

Result run_row(const Settings& settings, const Row& row, Type type, Terms terms, int threads,
               const std::vector<std::unique_ptr<Peer>>& peers, std::mt19937& random) {
  Result result{&row, type, terms, threads, {}, 0};
  const Problem problem = make_problem(row, type, terms);
  const auto add = [&](Peer& peer) {
    peer.set_threads(threads);
    try {
      for (Job& job : peer.prepare(problem)) {
        job.run();
        result.entrants.push_back({std::move(job), peer.name()});
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "compare: %s: %s: %s\n", name_of(row).c_str(), peer.name().c_str(),
                   error.what());
    }
  };
  add(lamina_peer());
  if (result.entrants.empty()) {
    return result;
  }
  for (const auto& peer : peers) {
    add(*peer);
  }
  compare_results(problem, result.entrants);
  Limits limits(cost_of(problem), type, threads);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < result.entrants.size(); ++i) {
    order.push_back(i);
  }
  for (Entrant& entrant : result.entrants) {
    calibrate(entrant);
  }
  for (int round = 0; round < settings.rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
      // What takes long varies little.
      constexpr int kTurnsOfSlow = 3;
      constexpr double kSlow = 0.1;
      if (round >= kTurnsOfSlow && result.entrants[i].best > kSlow) {
        continue;
      }
      if (threads > 1) {
        // The waiting threads of the one before go to sleep in that time, and leave both cores.
        std::this_thread::sleep_for(std::chrono::milliseconds(15));
      }
      take_turn(result.entrants[i], settings.turn);
    }
    limits.measure();
  }
  result.limit = limits.seconds();
  return result;
}

int run(int argc, char** argv) {
  Settings settings = parse(argc, argv);
  if (settings.list) {
    for (const Row& row : rows()) {
      std::puts(name_of(row).c_str());
    }
    return 0;
  }
  const int all_threads = lamina::num_threads();
  if (settings.threads.empty()) {
    settings.threads = all_threads > 1 ? std::vector<int>{1, all_threads} : std::vector<int>{1};
  }
  if (settings.machine) {
    for (const int threads : settings.threads) {
      lamina::set_num_threads(threads);
      print_limits(threads);
    }
    return 0;
  }
  choose_kernels();
  std::string missing;
  const auto peers = load_peers(settings, missing);
  Report report(settings.out);
  report.line("CPU: " + cpu_name() + ", " + std::to_string(all_threads) + " threads.  ");
  std::string names = "lamina " + lamina_peer().version();
  for (const auto& peer : peers) {
    names += "; " + peer->name() + " " + peer->version();
  }
  report.line("Libraries: " + names + (missing.empty() ? "" : ". Not found: " + missing) + ".");
  report.line("");
  report.line(
      "Terms. All libraries read the same arrays. plain: row-major or NCHW/OIHW arrays in and out, "
      "every reordering and packing is in the time; packed: the same, but a library may pack the "
      "weights beforehand; nhwc: channels last in and out, weights may be packed beforehand. "
      "Results are written to given memory where a library can. Times are the least of " +
      std::to_string(settings.rounds) +
      " turns that the libraries take in random order. Ratio: time of the best other library "
      "divided by lamina's. Limit: FMA peak or bandwidth of as much memory, measured between the "
      "turns.");
  report.line("");
  report.line(
      "| row | type | threads | terms | lamina | best other | its time | ratio | of limit |");
  report.line("|---|---|---|---|---|---|---|---|---|");
  std::mt19937 random(1);
  std::vector<double> logs;
  for (const Row& row : rows()) {
    if (!chosen(settings, row)) {
      continue;
    }
    for (const Type type : {Type::F32, Type::F64}) {
      for (const Terms terms : row.terms) {
        for (const int threads : settings.threads) {
          if (!contains(settings.types, type_name(type)) ||
              !contains(settings.terms, terms_name(terms))) {
            continue;
          }
          const Result result = run_row(settings, row, type, terms, threads, peers, random);
          if (!result.entrants.empty()) {
            report.add(result);
          }
        }
      }
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "compare: %s\n", error.what());
    return 1;
  }
}
