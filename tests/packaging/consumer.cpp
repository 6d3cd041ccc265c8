// A user's program: it knows the installed headers, and nothing else of the project. It runs a
// kernel, so that the SIMD dispatch links, and catches an error, so that exceptions cross the
// library's border.
#include <lamina/lamina.hpp>

#include <cstdio>

int main() {
  const lamina::Array<float> x{{1, 2, 3}, {4, 5, 6}};
  const lamina::Array<float> w{{1}, {0}, {2}};
  const lamina::Array<float> y = lamina::nn::matmul(x, w);
  const float sum = y(0, 0) + y(1, 0);
  try {
    (void)lamina::nn::matmul(w, x);
  } catch (const lamina::Error& error) {
    std::printf("lamina %d threads; sum %g; caught: %s\n", lamina::num_threads(),
                static_cast<double>(sum), error.what());
  }
  return 0;
}
