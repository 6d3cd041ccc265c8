#include <gtest/gtest.h>

#include <functional>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"
#include "lamina/io/npy.hpp"
#include "lamina/io/npz.hpp"
#include "lamina/io/safetensors.hpp"

// Damaged files are read or refused with lamina::Error; nothing else may happen. Run under the
// sanitizers this is where a wrong bound shows. The same readers stand behind the fuzzers of
// tests/fuzz.

namespace lamina {
namespace {

using Bytes = std::vector<std::byte>;
using Reader = std::function<void(const Bytes&)>;

/// Reads `bytes`; only lamina::Error may come out. Returns true if they were accepted.
bool survives(const Reader& read, const Bytes& bytes) {
  try {
    // A copy of exactly that size, so that AddressSanitizer sees the first byte past the end.
    read(Bytes(bytes.begin(), bytes.end()));
    return true;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()), "");
    return false;
  }
}

/// A small generator, so that failures can be repeated: Knuth's MMIX constants.
class Numbers {
 public:
  std::size_t below(std::size_t limit) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state_ >> 33U) % limit;
  }

 private:
  std::uint64_t state_ = 1;
};

void damage_everything(const Bytes& file, const Reader& read) {
  ASSERT_TRUE(survives(read, file));
  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_FALSE(survives(read, Bytes(file.begin(), file.begin() + static_cast<Index>(length))))
        << "cut to " << length << " bytes";
  }
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (const unsigned change : {0x01U, 0x80U, 0xFFU}) {
      Bytes bytes = file;
      bytes[i] ^= static_cast<std::byte>(change);
      (void)survives(read, bytes);
    }
  }
  Numbers numbers;
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes = file;
    const std::size_t edits = 1 + numbers.below(4);
    for (std::size_t edit = 0; edit < edits && !bytes.empty(); ++edit) {
      const auto at = static_cast<Index>(numbers.below(bytes.size()));
      const auto from = static_cast<Index>(numbers.below(bytes.size()));
      const auto count = static_cast<Index>(numbers.below(std::min<std::size_t>(bytes.size(), 24)));
      switch (numbers.below(5)) {
        case 0:
          bytes[static_cast<std::size_t>(at)] = static_cast<std::byte>(numbers.below(256));
          break;
        case 1:  // a number near an edge
          for (Index k = at; k < std::min<Index>(at + 8, static_cast<Index>(bytes.size())); ++k) {
            bytes[static_cast<std::size_t>(k)] = static_cast<std::byte>(k == at ? 0xF0 : 0xFF);
          }
          break;
        case 2:
          bytes.erase(
              bytes.begin() + at,
              bytes.begin() + std::min<Index>(at + count, static_cast<Index>(bytes.size())));
          break;
        case 3: {
          const Bytes piece(
              bytes.begin() + from,
              bytes.begin() + std::min<Index>(from + count, static_cast<Index>(bytes.size())));
          bytes.insert(bytes.begin() + at, piece.begin(), piece.end());
          break;
        }
        default:
          bytes.insert(bytes.begin() + at, static_cast<std::size_t>(count), std::byte{'0'});
      }
    }
    (void)survives(read, bytes);
  }
}

class Mutations : public test::TemporaryFolder {
 protected:
  const Array<float> f_{{1, 2}, {3, 4}};
  const Array<std::int64_t> l_{1, -1};
  const Array<bool> b_{true, false, true};
};

TEST_F(Mutations, Safetensors) {
  io::save_safetensors(path("x"), {{"f", f_}, {"l", l_}, {"b", b_}}, {{"k", "\u00e9\n"}});
  damage_everything(io::read_file(path("x")),
                    [](const Bytes& bytes) { (void)io::parse_safetensors(bytes); });
}

TEST_F(Mutations, Npy) {
  io::save_npy(path("x"), f_);
  damage_everything(io::read_file(path("x")),
                    [](const Bytes& bytes) { (void)io::parse_npy(bytes); });
}

TEST_F(Mutations, Npz) {
  io::save_npz(path("x"), {{"f", f_}, {"b", b_}});
  damage_everything(io::read_file(path("x")),
                    [](const Bytes& bytes) { (void)io::parse_npz(bytes); });
  if (io::has_compression()) {
    io::save_npz(path("y"), {{"f", f_}, {"b", b_}}, {.compress = true});
    damage_everything(io::read_file(path("y")),
                      [](const Bytes& bytes) { (void)io::parse_npz(bytes); });
  }
}

}  // namespace
}  // namespace lamina
