#include "lamina/data/csv.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"

namespace lamina {
namespace {

using test::error_of;

template <class T>
class Csv : public test::TemporaryFolder {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Csv, Reals);

template <class T>
std::string parse_error(const std::string& text, const data::CsvOptions& options = {},
                        ErrorKind kind = ErrorKind::ParseError) {
  return error_of(kind, [&] { (void)data::parse_csv<T>(text, options, "m"); });
}

TYPED_TEST(Csv, PlainTable) {
  using T = TypeParam;
  const Array<T> expected{{1, T(-2.5)}, {T(1e-3), 4}};
  for (const char* text : {"1,-2.5\n0.001,4\n", "1,-2.5\r\n0.001,4", "\n\n1,-2.5\n\r\n1e-3,+4\n\n",
                           " 1 ,\t-2.5\n 0.1e-2,  4.0\n",
                           "\xEF\xBB\xBF"
                           "1,-2.5\n.001,4",
                           "\"1\",\"-2.5\"\n\"0.001\" , \" 4 \"\n"}) {
    const data::Table<T> table = data::parse_csv<T>(text);
    EXPECT_EQ(table.values, expected) << text;
    EXPECT_TRUE(table.columns.empty());
  }
  EXPECT_EQ(data::parse_csv<T>("1;2", {.delimiter = ';'}).values, (Array<T>{{1, 2}}));
  EXPECT_EQ(data::parse_csv<T>("1\t2", {.delimiter = '\t'}).values, (Array<T>{{1, 2}}));
  EXPECT_EQ(data::parse_csv<T>("7").values, (Array<T>{{7}}));
  EXPECT_EQ(data::parse_csv<T>("").values.shape(), (Shape{0, 0}));
  EXPECT_EQ(data::parse_csv<T>("\n\r\n").values.shape(), (Shape{0, 0}));
}

TYPED_TEST(Csv, HeaderAndMissingValues) {
  using T = TypeParam;
  const auto table = data::parse_csv<T>("a, \"b \"\"x\"\",\nc\" ,\n1,,3\n",
                                        {.header = true, .missing_as_nan = true});
  EXPECT_EQ(table.columns, (std::vector<std::string>{"a", "b \"x\",\nc", ""}));
  EXPECT_EQ(table.values.shape(), (Shape{1, 3}));
  EXPECT_TRUE(std::isnan(table.values(0, 1)));
  EXPECT_EQ(data::parse_csv<T>("a,b\n", {.header = true}).values.shape(), (Shape{0, 2}));
  const auto odd = data::parse_csv<T>("nan,-inf,infinity,-0\n");
  EXPECT_TRUE(std::isnan(odd.values(0, 0)));
  EXPECT_EQ(odd.values(0, 1), -std::numeric_limits<T>::infinity());
  EXPECT_EQ(odd.values(0, 2), std::numeric_limits<T>::infinity());
  EXPECT_TRUE(std::signbit(odd.values(0, 3)));
}

TYPED_TEST(Csv, Errors) {
  using T = TypeParam;
  EXPECT_EQ(parse_error<T>("1,2\n3,x\n"), "parse_csv: m, line 2, column 2: \"x\" is not a number");
  EXPECT_EQ(parse_error<T>("1,2\n\n\n3,4 5\n"),
            "parse_csv: m, line 4, column 2: \"4 5\" is not a number");
  EXPECT_EQ(parse_error<T>("1,0x10"), "parse_csv: m, line 1, column 2: \"0x10\" is not a number");
  EXPECT_EQ(parse_error<T>("+-1"), "parse_csv: m, line 1, column 1: \"+-1\" is not a number");
  EXPECT_EQ(parse_error<T>("1,,3"), "parse_csv: m, line 1, column 2: the value is missing");
  EXPECT_EQ(parse_error<T>("1,2,"), "parse_csv: m, line 1, column 3: the value is missing");
  EXPECT_EQ(parse_error<T>("1e999"),
            std::string("parse_csv: m, line 1, column 1: \"1e999\" is outside the range of ") +
                (sizeof(T) == 4 ? "float32" : "float64"));
  EXPECT_EQ(parse_error<T>("1,2\n3\n"), "parse_csv: m, line 2: has 1 fields, line 1 has 2");
  EXPECT_EQ(parse_error<T>("a,b\n1,2,3\n", {.header = true}),
            "parse_csv: m, line 2: has 3 fields, line 1 has 2");
  EXPECT_EQ(parse_error<T>("1,\"2"), "parse_csv: m, line 1, column 2: the quote does not end");
  EXPECT_EQ(parse_error<T>("\"1\n\"\n\"2\"x"),
            "parse_csv: m, line 1, column 1: \"1\n\" is not a number");
  EXPECT_EQ(parse_error<T>("\"2\"x"),
            "parse_csv: m, line 1, column 1: text after the closing quote");
  EXPECT_EQ(parse_error<T>(std::string(100, 'y')),
            "parse_csv: m, line 1, column 1: \"" + std::string(40, 'y') + "...\" is not a number");
  EXPECT_EQ(parse_error<T>("1", {.delimiter = '"'}, ErrorKind::InvalidOperation),
            "parse_csv: the delimiter is a quote or a line end");
  io::write_file_atomically(this->path("x.csv"), "1,2\n3,?\n");
  EXPECT_EQ(error_of(ErrorKind::ParseError, [&] { (void)data::load_csv<T>(this->path("x.csv")); }),
            "load_csv: " + this->path("x.csv") + ", line 2, column 2: \"?\" is not a number");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)data::load_csv<T>("/none"); }),
            "read_file: /none: cannot open: No such file or directory");
}

TYPED_TEST(Csv, ToDataset) {
  using T = TypeParam;
  const data::Table<T> table = data::parse_csv<T>("1,2,3\n4,5,6\n");
  const data::Dataset<T> last = data::to_dataset(table);
  EXPECT_EQ(last.features, (Array<T>{{1, 2}, {4, 5}}));
  EXPECT_EQ(last.labels, (Array<std::int64_t>{3, 6}));
  const data::Dataset<T> middle = data::to_dataset(table, 1);
  EXPECT_EQ(middle.features, (Array<T>{{1, 3}, {4, 6}}));
  EXPECT_EQ(middle.labels, (Array<std::int64_t>{2, 5}));
  EXPECT_EQ(error_of(ErrorKind::IndexOutOfBounds, [&] { (void)data::to_dataset(table, 3); }),
            "to_dataset: label column 3 in a table of 3 columns");
  EXPECT_EQ(error_of(ErrorKind::ConversionError,
                     [&] { (void)data::to_dataset(data::parse_csv<T>("1,2\n1,2.5")); }),
            "to_dataset: row 1: label 2.5 is not an integer");
  for (const char* label : {"nan", "inf", "-inf", "1e30"}) {
    (void)error_of(ErrorKind::ConversionError,
                   [&] { (void)data::to_dataset(data::parse_csv<T>(label)); });
  }
}

}  // namespace
}  // namespace lamina
