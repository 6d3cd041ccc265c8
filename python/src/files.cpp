#include "lamina/data/batch_loader.hpp"
#include "lamina/data/csv.hpp"
#include "lamina/data/digits.hpp"
#include "lamina/data/idx.hpp"
#include "lamina/io/npy.hpp"
#include "lamina/io/npz.hpp"
#include "lamina/io/safetensors.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

/// A path as str, bytes or anything with __fspath__.
std::string read_path(const Call& call, std::string_view parameter = "path") {
  PyObject* bytes = nullptr;
  if (PyUnicode_FSConverter(call.object(parameter).ptr(), &bytes) == 0) {
    throw py::error_already_set();
  }
  return py::cast<std::string>(py::reinterpret_steal<py::bytes>(bytes));
}

std::string read_bytes(const Call& call, std::string_view parameter) {
  const py::handle given = call.object(parameter);
  if (!PyBytes_Check(given.ptr())) {
    throw_type_error(call.place(parameter), "must be bytes");
  }
  return py::cast<std::string>(py::reinterpret_borrow<py::bytes>(given));
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

py::dict to_dict(io::NamedArrays&& arrays) {
  py::dict result;
  for (const io::NamedArray& one : arrays) {
    io::AnyArray array = one.array;
    result[py::str(one.name)] = to_python(std::move(array));
  }
  return result;
}

/// Views of the arrays in a dict, and what keeps them alive.
struct NamedInput {
  explicit NamedInput(const Call& call) {
    const py::handle given = call.object("arrays");
    if (!py::isinstance<py::dict>(given)) {
      throw_type_error(call.place("arrays"), "must be a dict of names and arrays");
    }
    for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(given)) {
      if (!PyUnicode_Check(key.ptr())) {
        throw_type_error(call.place("arrays"), "has a name that is no string");
      }
      names.push_back(py::cast<std::string>(key));
      const Place place{call.name(), names.back()};
      views.push_back({names.back(), any_view(value, place, owners.emplace_back())});
    }
  }
  std::vector<std::string> names;
  std::vector<py::object> owners;
  std::vector<io::NamedView> views;
};

io::Metadata read_metadata(const Call& call) {
  io::Metadata metadata;
  if (!call.has("metadata")) {
    return metadata;
  }
  const py::handle given = call.object("metadata");
  if (!py::isinstance<py::dict>(given)) {
    throw_type_error(call.place("metadata"), "must be a dict of strings");
  }
  for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(given)) {
    if (!PyUnicode_Check(key.ptr()) || !PyUnicode_Check(value.ptr())) {
      throw_type_error(call.place("metadata"), "must be a dict of strings");
    }
    metadata[py::cast<std::string>(key)] = py::cast<std::string>(value);
  }
  return metadata;
}

py::object to_pair(io::SafetensorsFile&& file) {
  py::dict metadata;
  for (const auto& [key, value] : file.metadata) {
    metadata[py::str(key)] = py::str(value);
  }
  return py::make_tuple(to_dict(std::move(file.arrays)), metadata);
}

void def_io(Module& io_module) {
  io_module.def("load_npy(path) -> Array", "Reads a NumPy .npy file. numpy.load.", [](Call& call) {
    const std::string path = read_path(call);
    return to_python(released([&] { return io::load_npy(path); }));
  });
  io_module.def("parse_npy(content) -> Array", "load_npy from bytes.", [](Call& call) {
    const std::string content = read_bytes(call, "content");
    return to_python(released([&] { return io::parse_npy(bytes_of(content)); }));
  });
  io_module.def(
      "save_npy(path, array) -> None",
      "Writes a .npy file as a whole: a reader finds the old content or the new. numpy.save.",
      [](Call& call) -> py::object {
        const std::string path = read_path(call);
        py::object owner;
        const io::AnyView view = any_view(call.object("array"), call.place("array"), owner);
        released([&] { io::save_npy(path, view); });
        return py::none();
      });
  io_module.def("load_npz(path) -> dict[str, Array]",
                "Reads a NumPy .npz archive, compressed ones too. numpy.load.",
                [](Call& call) -> py::object {
                  const std::string path = read_path(call);
                  return to_dict(released([&] { return io::load_npz(path); }));
                });
  io_module.def("parse_npz(content) -> dict[str, Array]", "load_npz from bytes.",
                [](Call& call) -> py::object {
                  const std::string content = read_bytes(call, "content");
                  return to_dict(released([&] { return io::parse_npz(bytes_of(content)); }));
                });
  io_module.def("save_npz(path, arrays, compress=False) -> None",
                "Writes a dict of names and arrays as an .npz archive, as a whole. numpy.savez, "
                "numpy.savez_compressed.",
                [](Call& call) -> py::object {
                  const std::string path = read_path(call);
                  const NamedInput input(call);
                  const io::NpzOptions options{call.flag("compress")};
                  released([&] { io::save_npz(path, input.views, options); });
                  return py::none();
                });
  io_module.def("has_compression() -> bool", "Whether deflated files can be read and written.",
                [](Call&) -> py::object { return py::bool_(io::has_compression()); });
  io_module.def(
      "load_safetensors(path) -> tuple[dict[str, Array], dict[str, str]]",
      "Reads a safetensors file: (arrays by name, metadata). safetensors.numpy.load_file.",
      [](Call& call) {
        const std::string path = read_path(call);
        return to_pair(released([&] { return io::load_safetensors(path); }));
      });
  io_module.def(
      "parse_safetensors(content) -> tuple[dict[str, Array], dict[str, str]]",
      "load_safetensors from bytes.", [](Call& call) {
        const std::string content = read_bytes(call, "content");
        return to_pair(released([&] { return io::parse_safetensors(bytes_of(content)); }));
      });
  io_module.def(
      "save_safetensors(path, arrays, metadata=None) -> None",
      "Writes a dict of names and arrays, and one of strings, as a safetensors file, as a "
      "whole. safetensors.numpy.save_file.",
      [](Call& call) -> py::object {
        const std::string path = read_path(call);
        const NamedInput input(call);
        const io::Metadata metadata = read_metadata(call);
        released([&] { io::save_safetensors(path, input.views, metadata); });
        return py::none();
      });
}

template <class T>
py::object to_pair(data::Dataset<T>&& dataset) {
  return py::make_tuple(to_python(std::move(dataset.features)),
                        to_python(std::move(dataset.labels)));
}

/// f(element) makes a data set of the type that `dtype` names.
template <class F>
py::object load(const Call& call, const F& f) {
  if (call.dtype() == Type::Float32) {
    return to_pair(released([&] { return f(float()); }));
  }
  return to_pair(released([&] { return f(double()); }));
}

data::CsvOptions csv_options(const Call& call) {
  const std::string delimiter = call.text("delimiter");
  if (delimiter.size() != 1) {
    throw py::value_error(std::string(call.name()) + ": delimiter must be one character");
  }
  return {delimiter[0], call.flag("header"), call.flag("missing_as_nan")};
}

template <class T>
py::object table_to_python(data::Table<T>&& table) {
  py::list columns;
  for (const std::string& column : table.columns) {
    columns.append(py::str(column));
  }
  return py::make_tuple(columns, to_python(std::move(table.values)));
}

template <class F>
py::object load_table(const Call& call, const F& f) {
  if (call.dtype() == Type::Float32) {
    return table_to_python(released([&] { return f(float()); }));
  }
  return table_to_python(released([&] { return f(double()); }));
}

void def_tables(Module& module) {
  const std::string options =
      "delimiter=\",\", header=False, missing_as_nan=False, dtype=\"float32\"";
  module.def("load_csv(path, *, " + options + ") -> tuple[list[str], Array]",
             "Reads a CSV file of numbers: (names of the columns, values (rows, columns)).",
             [](Call& call) {
               const std::string path = read_path(call);
               const data::CsvOptions given = csv_options(call);
               return load_table(call, [&]<class T>(T) { return data::load_csv<T>(path, given); });
             });
  module.def("parse_csv(text, *, " + options + ") -> tuple[list[str], Array]",
             "load_csv from a string.", [](Call& call) {
               const std::string text = call.text("text");
               const data::CsvOptions given = csv_options(call);
               return load_table(call, [&]<class T>(T) { return data::parse_csv<T>(text, given); });
             });
  module.def("load_idx(path) -> Array", "Reads an IDX file, the format of MNIST, gzipped or not.",
             [](Call& call) {
               const std::string path = read_path(call);
               return to_python(released([&] { return data::load_idx(path); }));
             });
  module.def("parse_idx(content) -> Array", "load_idx from bytes.", [](Call& call) {
    const std::string content = read_bytes(call, "content");
    return to_python(released([&] { return data::parse_idx(bytes_of(content)); }));
  });
  module.def("load_digits(path, dtype=\"float32\") -> tuple[Array, Array]", "", [](Call& call) {
    const std::string path = read_path(call);
    return load(call, [&]<class T>(T) { return data::load_digits<T>(path); });
  });
  module.def("load_mnist(images, labels, dtype=\"float32\") -> tuple[Array, Array]", "",
             [](Call& call) {
               const std::string images = read_path(call, "images");
               const std::string labels = read_path(call, "labels");
               return load(call, [&]<class T>(T) { return data::load_mnist<T>(images, labels); });
             });
}

template <class T>
data::Dataset<T> read_dataset(const Call& call, Operand& features) {
  features.prepare<T>();
  const Integers labels = call.integers("labels");
  check(features.defined() && labels.view().defined(), ErrorKind::InvalidOperation, call.name(),
        "features or labels are None");
  return {Array<T>(features.view<T>()), Array<std::int64_t>(labels.view())};
}

/// A data set and its loader, which looks at it.
template <class T>
struct Loader {
  Loader(data::Dataset<T>&& set, const data::BatchOptions& options)
      : dataset(std::move(set)), batches(dataset, options) {}
  data::Dataset<T> dataset;
  data::BatchLoader<T> batches;
  std::optional<typename data::BatchLoader<T>::Iterator> at;
  std::uint64_t epochs = 0;  // started so far
};
struct Batches {
  std::variant<std::unique_ptr<Loader<float>>, std::unique_ptr<Loader<double>>> loader;
};

Batches& read_batches(const Call& call) {
  const py::handle given = call.object("loader");
  if (!py::isinstance<Batches>(given)) {
    throw_type_error(call.place("loader"), "is no loader");
  }
  return py::cast<Batches&>(given);
}

// The loader has one buffer for a batch, so its calls keep the GIL.
void def_batches(Module& module) {
  module.def(
      "make(features, labels, batch_size, shuffle, seed, last) -> object", "", [](Call& call) {
        Operand features = call.array("features");
        call.refuse_recorded({&features});
        const data::BatchOptions options{
            call.index("batch_size"), call.flag("shuffle"), call.seed("seed"),
            call.choice<data::LastBatch>(
                "last", {{"keep", data::LastBatch::Keep}, {"drop", data::LastBatch::Drop}})};
        if (call.common_type({&features}) == Type::Float32) {
          return py::cast(Batches{
              std::make_unique<Loader<float>>(read_dataset<float>(call, features), options)});
        }
        return py::cast(Batches{
            std::make_unique<Loader<double>>(read_dataset<double>(call, features), options)});
      });
  module.def("sizes(loader) -> tuple[int, int]", "", [](Call& call) -> py::object {
    return std::visit(
        [](const auto& loader) {
          return py::make_tuple(loader->batches.size(), loader->batches.examples());
        },
        read_batches(call).loader);
  });
  module.def("start(loader, epoch) -> int", "", [](Call& call) -> py::object {
    const Index epoch = call.index("epoch");
    return std::visit(
        [&](const auto& loader) -> py::object {
          loader->at = loader->batches.epoch(epoch).begin();
          return py::int_(++loader->epochs);
        },
        read_batches(call).loader);
  });
  module.def("next(loader, number, token) -> tuple[Array, Array, Array]", "",
             [](Call& call) -> py::object {
               const Index number = call.index("number");
               const std::uint64_t token = call.seed("token");
               return std::visit(
                   [&](const auto& loader) -> py::object {
                     check(loader->epochs == token && loader->at, ErrorKind::InvalidOperation,
                           "BatchLoader", "another epoch was started: one runs at a time");
                     if (number > 0) {
                       ++*loader->at;
                     }
                     const auto& batch = **loader->at;
                     return py::make_tuple(to_python(batch.features.copy()),
                                           to_python(batch.labels.copy()),
                                           to_python(batch.indices.copy()));
                   },
                   read_batches(call).loader);
             });
}

template <class T>
py::object split(const Call& call, Operand& features) {
  const data::Dataset<T> dataset = read_dataset<T>(call, features);
  const double fraction = call.number("test_fraction");
  const std::uint64_t seed = call.seed("seed");
  data::Split<T> parts = released([&] { return data::train_test_split(dataset, fraction, seed); });
  return py::make_tuple(to_pair(std::move(parts.train)), to_pair(std::move(parts.test)));
}

}  // namespace

void def_files(py::module_& root) {
  Module io_module(root.def_submodule("io"), "lamina.io");
  def_io(io_module);
  py::class_<Batches>(root, "Batches");
  Module data_module(root.def_submodule("data"), "lamina.data");
  def_tables(data_module);
  Module batches(root.def_submodule("batches"), "lamina._core.batches");
  def_batches(batches);
  batches.def("train_test_split(features, labels, test_fraction, seed) -> tuple[object, object]",
              "", [](Call& call) {
                Operand features = call.array("features");
                return call.common_type({&features}) == Type::Float32
                           ? split<float>(call, features)
                           : split<double>(call, features);
              });
}

}  // namespace lamina::python
