#include "lamina/io/safetensors.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "io/atomic_file.hpp"
#include "io/json.hpp"
#include "io/read_array.hpp"

namespace lamina::io {

namespace {

constexpr std::string_view kMetadataKey = "__metadata__";

struct Entry {
  std::string name;
  std::size_t type = 0;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::size_t find_type(const detail::ByteSource& source, std::string_view array,
                      std::string_view dtype) {
  const auto found = std::find_if(detail::kElementTypes.begin(), detail::kElementTypes.end(),
                                  [&](const auto& type) { return type.safetensors == dtype; });
  source.require(found != detail::kElementTypes.end(), ErrorKind::Unsupported, "array \"", array,
                 "\" has dtype \"", dtype, "\"; F32, F64, I64, I32, U8 and BOOL are read");
  return static_cast<std::size_t>(found - detail::kElementTypes.begin());
}

Shape read_shape(const detail::ByteSource& source, detail::JsonReader& json,
                 std::string_view array) {
  IndexList extents;
  json.expect('[');
  if (!json.accept(']')) {
    do {
      const Index extent = json.read_size();
      source.require(extents.rank() < kMaxRank, ErrorKind::Unsupported, "array \"", array,
                     "\" has more than ", kMaxRank, " axes");
      extents.push_back(extent);
    } while (json.accept(','));
    json.expect(']');
  }
  source.require(detail::checked_size(extents).has_value(), ErrorKind::ParseError, "array \"",
                 array, "\" has the impossible shape ", extents);
  return Shape(extents);
}

Entry read_entry(const detail::ByteSource& source, detail::JsonReader& json, std::string name,
                 std::uint64_t data_size) {
  Entry entry;
  entry.name = std::move(name);
  std::string dtype;
  bool has_dtype = false;
  bool has_shape = false;
  bool has_offsets = false;
  const auto once = [&](bool& seen, std::string_view key) {
    if (seen) {
      json.fail("\"", key, "\" twice in array \"", entry.name, "\"");
    }
    seen = true;
  };
  json.expect('{');
  do {
    const std::string key = json.read_string();
    json.expect(':');
    if (key == "dtype") {
      once(has_dtype, key);
      dtype = json.read_string();
    } else if (key == "shape") {
      once(has_shape, key);
      entry.shape = read_shape(source, json, entry.name);
    } else if (key == "data_offsets") {
      once(has_offsets, key);
      json.expect('[');
      entry.begin = static_cast<std::uint64_t>(json.read_size());
      json.expect(',');
      entry.end = static_cast<std::uint64_t>(json.read_size());
      json.expect(']');
    } else {
      json.fail("unknown key \"", key, "\" in array \"", entry.name, "\"");
    }
  } while (json.accept(','));
  json.expect('}');
  if (!has_dtype || !has_shape || !has_offsets) {
    json.fail("array \"", entry.name, "\" lacks dtype, shape or data_offsets");
  }
  entry.type = find_type(source, entry.name, dtype);
  source.require(entry.begin <= entry.end && entry.end <= data_size, ErrorKind::ParseError,
                 "array \"", entry.name, "\" has data_offsets [", entry.begin, ", ", entry.end,
                 "] in ", data_size, " bytes of data");
  const std::size_t bytes = detail::kElementTypes[entry.type].bytes;
  const auto length = entry.end - entry.begin;
  source.require(
      length % bytes == 0 && length / bytes == static_cast<std::uint64_t>(entry.shape.size()),
      ErrorKind::ParseError, "array \"", entry.name, "\" of dtype ", dtype, " and shape ",
      entry.shape, " has ", length, " bytes");
  return entry;
}

Metadata read_metadata(detail::JsonReader& json) {
  Metadata metadata;
  json.expect('{');
  if (json.accept('}')) {
    return metadata;
  }
  do {
    std::string key = json.read_string();
    json.expect(':');
    std::string value = json.read_string();
    if (!metadata.try_emplace(key, std::move(value)).second) {
      json.fail("\"", key, "\" twice in ", kMetadataKey);
    }
  } while (json.accept(','));
  json.expect('}');
  return metadata;
}

SafetensorsFile load(const detail::ByteSource& source) {
  source.require(source.size() >= 8, ErrorKind::ParseError, "has ", source.size(),
                 " bytes; the length of the header alone takes 8");
  const auto header_size = source.read_number<std::uint64_t>(0);
  source.require(header_size <= kMaxSafetensorsHeader, ErrorKind::ParseError, "a header of ",
                 header_size, " bytes passes the limit of ", kMaxSafetensorsHeader);
  source.require(header_size <= source.size() - 8, ErrorKind::ParseError, "a header of ",
                 header_size, " bytes is announced, ", source.size() - 8, " bytes are left");
  const std::string header = source.read_text(8, static_cast<std::size_t>(header_size));
  const std::uint64_t data_start = 8 + header_size;
  const std::uint64_t data_size = source.size() - data_start;
  source.require(header.starts_with('{'), ErrorKind::ParseError, "the header is no JSON object");
  source.require(detail::is_utf8(header), ErrorKind::ParseError, "the header is not UTF-8");

  SafetensorsFile file;
  std::vector<Entry> entries;
  std::set<std::string, std::less<>> names;
  detail::JsonReader json(source, header);
  json.expect('{');
  if (!json.accept('}')) {
    do {
      std::string name = json.read_string();
      json.expect(':');
      if (!names.insert(name).second) {
        json.fail("\"", name, "\" twice");
      }
      if (name == kMetadataKey) {
        file.metadata = read_metadata(json);
      } else {
        entries.push_back(read_entry(source, json, std::move(name), data_size));
      }
    } while (json.accept(','));
    json.expect('}');
  }
  json.expect_end();

  // An empty array may begin where another one does; then the names settle the order.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t covered = 0;
  for (const Entry& entry : entries) {
    source.require(entry.begin == covered, ErrorKind::ParseError, "array \"", entry.name,
                   "\" begins at byte ", entry.begin, " of the data; the one before ends at ",
                   covered);
    covered = entry.end;
  }
  source.require(covered == data_size, ErrorKind::ParseError, "the arrays end at byte ", covered,
                 " of ", data_size, " bytes of data");
  for (Entry& entry : entries) {
    const std::string what = "array \"" + entry.name + "\"";
    AnyArray array =
        detail::read_array(source, data_start + entry.begin, entry.type, entry.shape, what);
    file.arrays.add(std::move(entry.name), std::move(array));
  }
  return file;
}

/// Positions of the arrays in the order of their data: wider elements first, then as given.
std::vector<std::size_t> data_order(const std::vector<NamedView>& arrays) {
  std::vector<std::size_t> order(arrays.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  const auto width = [&](std::size_t i) {
    return detail::kElementTypes[arrays[i].view.index()].bytes;
  };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return width(a) != width(b) ? width(a) > width(b) : a < b;
  });
  return order;
}

std::string header_of(const std::vector<NamedView>& arrays, const std::vector<std::size_t>& order,
                      const Metadata& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    detail::append_json_string(header, kMetadataKey);
    header += ":{";
    for (const auto& [key, value] : metadata) {
      header += header.back() == '{' ? "" : ",";
      detail::append_json_string(header, key);
      header += ':';
      detail::append_json_string(header, value);
    }
    header += '}';
  }
  std::uint64_t begin = 0;
  for (const std::size_t i : order) {
    const NamedView& array = arrays[i];
    const detail::ElementType& type = detail::kElementTypes[array.view.index()];
    const Shape& shape = shape_of(array.view);
    header += header.size() == 1 ? "" : ",";
    detail::append_json_string(header, array.name);
    header += ":{\"dtype\":\"" + std::string(type.safetensors) + "\",\"shape\":[";
    for (const Index extent : shape) {
      header += header.back() == '[' ? "" : ",";
      header += std::to_string(extent);
    }
    const std::uint64_t end = begin + static_cast<std::uint64_t>(shape.size()) * type.bytes;
    header += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
    begin = end;
  }
  header += '}';
  // The data begins at a multiple of 8, the widest element.
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

void check_texts(const std::vector<NamedView>& arrays, const Metadata& metadata) {
  constexpr std::string_view kOperation = "save_safetensors";
  std::set<std::string_view> names;
  for (const NamedView& array : arrays) {
    check(detail::is_utf8(array.name), ErrorKind::InvalidOperation, kOperation,
          "an array's name is not UTF-8");
    check(array.name != kMetadataKey, ErrorKind::InvalidOperation, kOperation, "the name \"",
          kMetadataKey, "\" is reserved");
    check(names.insert(array.name).second, ErrorKind::InvalidOperation, kOperation,
          "two arrays have the name \"", array.name, "\"");
    check(std::visit([](const auto& view) { return view.defined(); }, array.view),
          ErrorKind::InvalidOperation, kOperation, "array \"", array.name, "\" is not defined");
  }
  for (const auto& [key, value] : metadata) {
    check(detail::is_utf8(key) && detail::is_utf8(value), ErrorKind::InvalidOperation, kOperation,
          "metadata \"", key, "\" is not UTF-8");
  }
}

}  // namespace

SafetensorsFile load_safetensors(const std::string& path) {
  return load(detail::FileSource("load_safetensors", path));
}

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  return load(detail::MemorySource("parse_safetensors", name, bytes));
}

void save_safetensors(const std::string& path, const std::vector<NamedView>& arrays,
                      const Metadata& metadata) {
  check_texts(arrays, metadata);
  const std::vector<std::size_t> order = data_order(arrays);
  const std::string header = header_of(arrays, order, metadata);
  check(header.size() <= kMaxSafetensorsHeader, ErrorKind::InvalidOperation, "save_safetensors",
        "a header of ", header.size(), " bytes passes the limit of ", kMaxSafetensorsHeader);
  detail::AtomicFile file("save_safetensors", path);
  file.write_number<std::uint64_t>(header.size());
  file.write(header);
  for (const std::size_t i : order) {
    std::visit(
        [&]<class T>(const View<T>& view) {
          const lamina::detail::Packed<T> packed(view);
          file.write(packed.data(), static_cast<std::size_t>(view.size()) * sizeof(T));
        },
        arrays[i].view);
  }
  file.commit();
}

}  // namespace lamina::io
