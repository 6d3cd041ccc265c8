#include "lamina/io/npz.hpp"

#include <set>

#include "io/npy_format.hpp"
#include "io/zip.hpp"

namespace lamina::io {

namespace {

constexpr std::string_view kSuffix = ".npy";

NamedArrays load(const detail::ByteSource& source) {
  NamedArrays arrays;
  for (const detail::ZipEntry& entry : detail::read_zip_directory(source)) {
    source.require(entry.name.ends_with(kSuffix), ErrorKind::ParseError, "entry \"", entry.name,
                   "\" is no .npy file");
    const detail::Bytes bytes = detail::read_zip_entry(source, entry);
    const detail::MemorySource file(source.operation(), source.name(), bytes);
    std::string name = entry.name.substr(0, entry.name.size() - kSuffix.size());
    source.require(arrays.find(name) == nullptr, ErrorKind::ParseError,
                   "two arrays have the name \"", name, "\"");
    AnyArray array = detail::read_npy(file, "entry \"" + entry.name + "\": ");
    arrays.add(std::move(name), std::move(array));
  }
  return arrays;
}

void check_names(const std::vector<NamedView>& arrays) {
  std::set<std::string_view> names;
  for (const NamedView& array : arrays) {
    check(!array.name.empty() && array.name.size() + kSuffix.size() <= 0xFFFF,
          ErrorKind::InvalidOperation, "save_npz", "a name has 1 to 65531 bytes, got ",
          array.name.size());
    check(names.insert(array.name).second, ErrorKind::InvalidOperation, "save_npz",
          "two arrays have the name \"", array.name, "\"");
    check(std::visit([](const auto& view) { return view.defined(); }, array.view),
          ErrorKind::InvalidOperation, "save_npz", "array \"", array.name, "\" is not defined");
  }
}

/// Appends one array to the archive, packed or as it is.
template <class T>
void write_entry(detail::AtomicFile& file, detail::ZipWriter& zip, const std::string& name,
                 const View<T>& view, bool compress) {
  const lamina::detail::Packed<T> packed(view);
  const std::string header = detail::npy_header(view);
  const auto header_bytes = std::as_bytes(std::span(header));
  const auto data = std::as_bytes(std::span(packed.data(), static_cast<std::size_t>(view.size())));
  detail::ZipEntry entry;
  entry.name = name + std::string(kSuffix);
  entry.flags = 1U << 11U;  // the name is UTF-8
  entry.crc = detail::crc32(data, detail::crc32(header_bytes));
  entry.size = header_bytes.size() + data.size();
  if (compress) {
    detail::Bytes all(header_bytes.begin(), header_bytes.end());
    all.insert(all.end(), data.begin(), data.end());
    const detail::Bytes deflated = detail::deflate("save_npz", all);
    entry.method = 8;
    entry.packed_size = deflated.size();
    zip.begin_entry(entry);
    file.write(deflated.data(), deflated.size());
  } else {
    entry.packed_size = entry.size;
    zip.begin_entry(entry);
    file.write(header);
    file.write(data.data(), data.size());
  }
}

}  // namespace

NamedArrays load_npz(const std::string& path) {
  return load(detail::FileSource("load_npz", path));
}

NamedArrays parse_npz(std::span<const std::byte> bytes, std::string_view name) {
  return load(detail::MemorySource("parse_npz", name, bytes));
}

void save_npz(const std::string& path, const std::vector<NamedView>& arrays,
              const NpzOptions& options) {
  check_names(arrays);
  check(!options.compress || has_compression(), ErrorKind::Unsupported, "save_npz",
        "compression is not available; this library was built without zlib");
  detail::AtomicFile file("save_npz", path);
  detail::ZipWriter zip(file);
  for (const NamedView& array : arrays) {
    std::visit(
        [&]<class T>(const View<T>& view) {
          write_entry(file, zip, array.name, view, options.compress);
        },
        array.view);
  }
  zip.finish();
  file.commit();
}

}  // namespace lamina::io
