"""Files and data sets."""

import gzip
import io as streams

import numpy as np
import pytest

import lamina
from lamina import data, io

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float64(3) * np.ones(()), "c": np.array([1, -2]),
          "d": np.array([3], np.int32), "e": np.array([[7]], np.uint8), "f": np.array([True, False])}


@pytest.mark.parametrize("name", ARRAYS)
def test_npy(name, tmp_path):
    path = tmp_path / "x.npy"
    io.save_npy(path, ARRAYS[name])
    for loaded in (np.load(path), io.load_npy(str(path)), io.parse_npy(path.read_bytes())):
        assert loaded.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(loaded, ARRAYS[name])


def test_npz_and_safetensors(tmp_path):
    for compress in (False, True):
        io.save_npz(tmp_path / "x.npz", ARRAYS, compress=compress)
        for loaded in (np.load(tmp_path / "x.npz"), io.load_npz(tmp_path / "x.npz"),
                       io.parse_npz((tmp_path / "x.npz").read_bytes())):
            assert sorted(loaded) == sorted(ARRAYS)
            for name, array in ARRAYS.items():
                np.testing.assert_array_equal(loaded[name], array)
    io.save_safetensors(tmp_path / "x.safetensors", {**ARRAYS, "t": lamina.Tensor([1.0])}, {"kind": "test"})
    arrays, metadata = io.load_safetensors(tmp_path / "x.safetensors")
    assert metadata == {"kind": "test"} and arrays["t"].tolist() == [1.0]
    assert io.parse_safetensors((tmp_path / "x.safetensors").read_bytes())[1] == metadata
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert io.has_compression()


def test_any_layout_can_be_saved(tmp_path):
    x = np.arange(24.0).reshape(2, 3, 4)
    for same in (x.T, x[:, ::-1, ::2], x.astype(">f8"), np.broadcast_to(x[0], (5, 3, 4)), (x > 3).T,
                 np.array([0, 2], np.uint8).view(bool)):
        io.save_npy(tmp_path / "x.npy", same)
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.array(same).astype(same.dtype.newbyteorder("=")) != 0
                                      if same.dtype == bool else same)


def test_errors(tmp_path):
    with pytest.raises(OSError, match="nowhere.npy"):
        io.load_npy(tmp_path / "nowhere.npy")
    (tmp_path / "x.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match="x.npy"):
        io.load_npy(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.zeros(3, complex))
    with pytest.raises(NotImplementedError):
        io.load_npy(tmp_path / "x.npy")
    for bad in (np.zeros(2, np.float16), ["a"], object()):
        with pytest.raises(TypeError):
            io.save_npy(tmp_path / "x.npy", bad)
    for bad in ([1], {1: np.ones(2)}, {"a": "x"}):
        with pytest.raises(TypeError):
            io.save_npz(tmp_path / "x.npz", bad)
    with pytest.raises(TypeError, match="metadata"):
        io.save_safetensors(tmp_path / "x", {}, {"a": 1})
    with pytest.raises(TypeError):
        io.load_npy(3)
    with pytest.raises(OSError):
        io.save_npy(tmp_path / "no" / "x.npy", np.ones(2))


def test_tables(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3.5,4\n")
    columns, values = data.load_csv(tmp_path / "x.csv", header=True, dtype="float64")
    assert columns == ["a", "b"] and values.tolist() == [[1, 2], [3.5, 4]]
    assert data.parse_csv("1;2", delimiter=";")[1].dtype == np.float32
    dataset = data.to_dataset(values)
    assert dataset.features.tolist() == [[1], [3.5]] and dataset.labels.tolist() == [2, 4]
    with pytest.raises(TypeError):
        data.to_dataset(values, 0)
    with pytest.raises(ValueError, match="line 1"):
        data.parse_csv("x")
    with pytest.raises(ValueError):
        data.parse_csv("1", delimiter="ab")


def test_idx(tmp_path):
    images, labels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3), np.array([3, 1], np.uint8)

    def idx(x):
        return bytes([0, 0, 8, x.ndim]) + b"".join(n.to_bytes(4, "big") for n in x.shape) + x.tobytes()

    np.testing.assert_array_equal(data.parse_idx(idx(images)), images)
    (tmp_path / "i.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "l").write_bytes(idx(labels))
    np.testing.assert_array_equal(data.load_idx(tmp_path / "i.gz"), images)
    dataset = data.load_mnist(tmp_path / "i.gz", tmp_path / "l")
    np.testing.assert_allclose(dataset.features, images / 255, rtol=1e-6)
    assert dataset.labels.tolist() == [3, 1] and dataset.classes == 4 and dataset.count == 2


def test_digits_and_split():
    digits = data.load_digits(dtype="float64")
    assert digits.features.shape == (1797, 64) and digits.features.max() == 1 and digits.classes == 10
    train, test = data.train_test_split(digits, 0.25, seed=3)
    assert train.count + test.count == 1797
    assert np.ptp(np.bincount(test.labels) / np.bincount(digits.labels)) < 0.01
    again = data.train_test_split(digits, 0.25, seed=3)[1]
    np.testing.assert_array_equal(test.features, again.features)
    with pytest.raises(ValueError):
        data.train_test_split(digits, 2.0)
    assert digits.take([5, 1]).labels.tolist() == digits.labels[[5, 1]].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches(dtype):
    dataset = data.Dataset(np.arange(20, dtype=dtype).reshape(10, 2), np.arange(10))
    loader = data.BatchLoader(dataset, 4, seed=1)
    assert len(loader) == 3 and loader.examples == 10
    order = []
    for x, y, indices in loader.epoch(0):
        assert x.dtype == dtype
        np.testing.assert_array_equal(x, dataset.features[indices])
        np.testing.assert_array_equal(y, indices)
        order += indices.tolist()
    assert sorted(order) == list(range(10)) and order != list(range(10))
    assert [i for _, _, b in loader.epoch(0) for i in b] == order
    assert [i for _, _, b in loader.epoch(1) for i in b] != order
    assert [len(y) for _, y, _ in data.BatchLoader(dataset, 4, last="drop").epoch(0)] == [4, 4]
    assert [i for _, _, b in data.BatchLoader(dataset, 4, shuffle=False) for i in b] == list(range(10))
    first = loader.epoch(0)
    next(first)
    loader.epoch(1)
    with pytest.raises(ValueError, match="another epoch"):
        next(first)
    for bad, error in (({"batch_size": 0}, ValueError), ({"last": "x"}, ValueError)):
        with pytest.raises(error):
            data.BatchLoader(dataset, **bad)
    with pytest.raises(ValueError):
        data.BatchLoader((np.ones((3, 2)), np.arange(2)))
    with pytest.raises(ValueError):
        loader.epoch(-1)


def test_system():
    assert lamina.simd.active_target() in lamina.simd.supported_targets()
    assert set(lamina.simd.supported_targets()) <= set(lamina.simd.built_targets())
    with lamina.simd.forced("baseline"):
        assert lamina.simd.probe()[0] == "baseline" and not lamina.nn.is_simd_available()
    assert lamina.simd.active_target() != "baseline" or len(lamina.simd.supported_targets()) == 1
    with pytest.raises(ValueError, match="target must be"):
        lamina.simd.force("mmx")
    with pytest.raises(NotImplementedError):
        lamina.simd.force("neon" if "neon" not in lamina.simd.built_targets() else "avx2")
    assert "SIMD" in lamina.nn.get_simd_info() and lamina.nn.recommended_batch_size() >= 64
    assert lamina.simd.detect_simd_capabilities()["cores"] >= 1
    threads, reason = lamina.thread_choice()
    assert threads == lamina.num_threads() and reason
    limit = lamina.memory_cache_limit()
    lamina.set_memory_cache_limit(0)
    assert lamina.memory_cache_bytes() == 0
    lamina.set_memory_cache_limit(limit)
    lamina.trim_memory()
    assert streams.StringIO(lamina.__version__).read().count(".") == 2
    lamina.nn.set_winograd(False)
    assert not lamina.nn.winograd_allowed()
    lamina.nn.set_winograd(True)
