"""Many threads of Python, and fork."""

import multiprocessing
import os
import sys
import threading

import numpy as np
import pytest

import lamina
from lamina import nn


def in_threads(count, function):
    """Calls function(i) in as many threads at once; raises what the first of them raised."""
    errors = []
    barrier = threading.Barrier(count)

    def run(i):
        try:
            barrier.wait()
            function(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def is_free_while(work):
    """Whether this thread gets the interpreter before `work`, in another thread, is done."""
    started, done = threading.Event(), []

    def run():
        started.set()
        work()
        done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    free = not done
    thread.join()
    return free


def test_the_interpreter_is_free_while_work_is_done():
    a = np.ones((1500, 1500), np.float32)
    tensor = lamina.Tensor(a, requires_grad=True)
    interval = sys.getswitchinterval()
    # Nobody is made to give the interpreter up: only he who releases it lets another thread in.
    sys.setswitchinterval(1000)
    try:
        # On a busy machine this thread may come too late; it comes always too late where nothing is released.
        assert any(is_free_while(lambda: nn.matmul(a, a)) for _ in range(20))
        assert any(is_free_while(lambda: nn.sum(nn.matmul(tensor, a)).backward()) for _ in range(20))
        assert not any(is_free_while(lambda: sum(range(10**5))) for _ in range(3))
    finally:
        sys.setswitchinterval(interval)


def test_functions_in_many_threads(rng):
    x = rng.standard_normal((8, 3, 16, 16)).astype(np.float32)
    weight = rng.standard_normal((6, 3, 3, 3)).astype(np.float32)
    expected = nn.softmax(nn.conv2d(x, weight, padding=1))

    def work(i):
        for _ in range(20):
            np.testing.assert_array_equal(nn.softmax(nn.conv2d(x, weight, padding=1)), expected)

    in_threads(8, work)


def test_training_in_many_threads(rng):
    x = rng.standard_normal((64, 10))

    def work(i):
        net = lamina.layers.Linear(10, 3, lamina.Generator(i), dtype="float64")
        optimizer = lamina.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(30):
            nn.mse_loss(np.zeros((64, 3)), net(x)).backward()
            optimizer.step()
            optimizer.zero_grad()
        results[i] = net.weight.numpy().copy()

    results = {}
    in_threads(6, work)
    threaded = dict(results)
    for i in range(6):
        work(i)
        np.testing.assert_array_equal(threaded[i], results[i])


def test_threads_that_share_parameters(rng):
    """Gradients of all threads are added; nothing is torn."""
    net = lamina.layers.Linear(10, 3, dtype="float64")
    x = rng.standard_normal((6, 50, 10))

    def work(i):
        for _ in range(20):
            nn.sum(net(x[i])).backward()
            net.weight.grad
            net.zero_grad() if i == 5 else None

    in_threads(6, work)
    net.zero_grad()
    in_threads(5, lambda i: nn.sum(net(x[i])).backward())
    np.testing.assert_allclose(net.weight.grad[0], x[:5].sum((0, 1)), rtol=1e-10, atol=1e-10)


def test_the_same_graph_in_many_threads(rng):
    x = lamina.Tensor(rng.standard_normal(100), requires_grad=True)
    for _ in range(20):
        y = nn.sum(nn.exp(x) * x)

        def work(i):
            try:
                y.backward()
                successes.append(i)
            except ValueError as error:  # the others come too late
                assert "backward" in str(error)

        successes = []
        in_threads(4, work)
        assert len(successes) == 1


def test_kernels_are_not_changed_under_an_operation(rng):
    a = rng.standard_normal((150, 150)).astype(np.float32)
    expected = nn.matmul(a, a)
    targets = lamina.simd.supported_targets()

    def work(i):
        for k in range(30):
            if i == 0:
                lamina.simd.force(targets[k % len(targets)])
            else:
                np.testing.assert_allclose(nn.matmul(a, a), expected, rtol=1e-4, atol=1e-3)

    try:
        in_threads(5, work)
    finally:
        lamina.simd.reset()


def test_the_same_bits_on_any_number_of_threads(rng):
    x = rng.standard_normal((300, 500)).astype(np.float32)
    before = lamina.num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 5):
            lamina.set_num_threads(threads)
            assert lamina.num_threads() == threads
            results.append((nn.matmul(x, x.T).tobytes(), nn.sum(x).tobytes()))
    finally:
        lamina.set_num_threads(before)
    assert len(set(results)) == 1
    with pytest.raises(ValueError, match="1 <= threads|threads"):
        lamina.set_num_threads(0)


def compute(x):
    """Something that takes several threads, and the tape."""
    tensor = lamina.Tensor(x, requires_grad=True)
    nn.sum(nn.matmul(tensor, x)).backward()
    return float(np.abs(tensor.grad).sum())


def exit_code_of_child(function):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if function() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_fork(rng):
    x = rng.standard_normal((400, 400)).astype(np.float32)
    expected = compute(x)
    for _ in range(5):
        assert exit_code_of_child(lambda: compute(x) == expected) == 0
    assert compute(x) == expected


def test_fork_while_other_threads_compute(rng):
    x = rng.standard_normal((200, 200)).astype(np.float32)
    expected = compute(x)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            compute(x)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert exit_code_of_child(lambda: compute(x) == expected) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools_of_processes(method, rng):
    x = rng.standard_normal((4, 100, 100))
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found, part in zip(pool.map(nn.relu, x), x):
            np.testing.assert_array_equal(found, np.maximum(part, 0))
