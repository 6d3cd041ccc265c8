// A user's program: it knows the installed headers, and nothing else of the project.
#include <cstdio>
#include <lamina/lamina.hpp>

int main() {
  const lamina::Array<float> x{{1, 2, 3}, {4, 5, 6}};
  double sum = 0;
  for (lamina::Index i = 0; i < 2; ++i) {
    for (lamina::Index j = 0; j < 3; ++j) {
      sum += x(i, j);
    }
  }
  try {
    (void)x.at(2, 0);
  } catch (const lamina::Error& error) {
    std::printf("lamina %d threads; sum %g; caught: %s\n", lamina::num_threads(), sum,
                error.what());
    return sum == 21 ? 0 : 1;
  }
  return 1;
}
