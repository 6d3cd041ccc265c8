#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"

namespace lamina {
namespace {

using test::error_of;

class File : public test::TemporaryFolder {
 protected:
  static std::string text_of(const std::string& path) {
    const std::vector<std::byte> bytes = io::read_file(path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

TEST_F(File, WritesAndReplaces) {
  io::write_file_atomically(path("a"), "first");
  EXPECT_EQ(text_of(path("a")), "first");
  io::write_file_atomically(path("a"), std::string_view("second\0text", 11));
  EXPECT_EQ(text_of(path("a")), std::string("second\0text", 11));
  io::write_file_atomically(path("empty"), "");
  EXPECT_EQ(text_of(path("empty")), "");
  EXPECT_EQ(count_files(), 2);
}

TEST_F(File, KeepsPermissionsAndFollowsLinks) {
  io::write_file_atomically(path("target"), "old");
  ASSERT_EQ(::chmod(path("target").c_str(), 0640), 0);
  ASSERT_EQ(::symlink("target", path("link").c_str()), 0);
  io::write_file_atomically(path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(text_of(path("target")), "new");
  struct stat status {};
  ASSERT_EQ(::stat(path("target").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
}

TEST_F(File, WritesRelativePaths) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  io::write_file_atomically("plain", "x");
  std::filesystem::current_path(before);
  EXPECT_EQ(text_of(path("plain")), "x");
}

TEST_F(File, Errors) {
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)io::read_file(path("none")); }),
            "read_file: " + path("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)io::read_file(folder_.string()); }),
            "read_file: " + folder_.string() + ": is not a regular file");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)io::read_file("/dev/null"); }),
            "read_file: /dev/null: is not a regular file");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)io::read_file(path("pipe")); }),
            "read_file: " + path("pipe") + ": is not a regular file");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { io::write_file_atomically(path("no/file"), "x"); }),
            "write_file_atomically: " + path("no/file") +
                ": cannot create a file beside it: No such file or directory");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { io::write_file_atomically("/dev/null", "x"); }),
            "write_file_atomically: /dev/null: is not a regular file");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { io::write_file_atomically(folder_.string(), "x"); }),
            "write_file_atomically: " + folder_.string() + ": is not a regular file");
}

}  // namespace
}  // namespace lamina
