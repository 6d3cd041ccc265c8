#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "lamina/data/dataset.hpp"
#include "lamina/io/any_array.hpp"

namespace lamina::data {

/// Reads an IDX file, the format of MNIST and its kin; a gzipped file is unpacked on the way.
///
/// Unsigned bytes become uint8; signed bytes, 16-bit and 32-bit integers int32; 32-bit and 64-bit
/// floats stay. Error(ParseError): malformed, or a length that does not agree with the shape.
/// Error(Unsupported): more than 8 axes, gzip in a library built without zlib. Error(IoError).
/// Format: yann.lecun.com/exdb/mnist.
[[nodiscard]] LAMINA_EXPORT io::AnyArray load_idx(const std::string& path);

/// The same from memory; errors call it `name`.
[[nodiscard]] LAMINA_EXPORT io::AnyArray parse_idx(std::span<const std::byte> bytes,
                                                   std::string_view name = "memory");

/// Reads images and labels of MNIST, Fashion-MNIST and the like: features (N, H, W), the stored
/// values 0 to 255 scaled to 0 to 1. Error(ParseError) unless images are bytes (N, H, W) and labels
/// bytes (N,). torchvision: MNIST.
template <class T>
[[nodiscard]] LAMINA_EXPORT Dataset<T> load_mnist(const std::string& images,
                                                  const std::string& labels);

}  // namespace lamina::data
