// Lets the text of a CUDA kernel run on the host: one coroutine for each thread, one block after the other.
//
// The blocks of a launch, the warps of a block and the threads of a warp run in orders drawn anew from a seed, and now
// and then one warp runs far ahead: a barrier that is missing shows as a wrong result for some seed. A barrier that not
// all threads reach is an error. Shared memory begins as rubbish. float32 numbers are flushed as under -ftz=true, with
// which CuPy compiles: an instruction reads and writes denormal numbers as zeros. Only what hpfunc's kernels use is here.
#include <ucontext.h>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace host {
enum State { READY, AT_BLOCK, AT_WARP, DONE };
struct Dim { unsigned x = 1, y = 1, z = 1; };
struct Thread { ucontext_t context; State state; Dim index; };

inline std::vector<Thread> threads;
inline std::vector<char> stacks, dynamic_memory;
inline std::vector<long long> slots;
inline ucontext_t scheduler;
inline unsigned current, seed;
inline Dim grid, block, block_index;
inline void (*body)();
inline std::string error;
constexpr size_t STACK = 1 << 16;

inline void wait(State state) {
  threads[current].state = state;
  swapcontext(&threads[current].context, &scheduler);
}
inline void run_body() { body(); threads[current].state = DONE; swapcontext(&threads[current].context, &scheduler); }
inline unsigned random_number() { seed ^= seed << 13; seed ^= seed >> 17; return seed ^= seed << 5; }

// Whether all threads of a warp wait for one another; then they go on.
inline bool release_warp(unsigned warp) {
  for (unsigned i = 0; i < 32; ++i)
    if (threads[warp * 32 + i].state != AT_WARP) return false;
  for (unsigned i = 0; i < 32; ++i) threads[warp * 32 + i].state = READY;
  return true;
}

// Whether all threads of the block wait for one another; then they go on.
inline bool release_block() {
  size_t at_block = 0, done = 0;
  for (auto &t : threads) { at_block += t.state == AT_BLOCK; done += t.state == DONE; }
  if (at_block == threads.size()) { for (auto &t : threads) t.state = READY; return true; }
  if (done < threads.size()) error = "a barrier that not all threads reach";
  return false;
}

inline void shuffle(std::vector<unsigned> &order) {
  for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random_number() % (i + 1)]);
}

inline void run_block() {
  std::vector<unsigned> warps(threads.size() / 32), lanes(32);
  for (unsigned i = 0; i < warps.size(); ++i) warps[i] = i;
  for (unsigned i = 0; i < 32; ++i) lanes[i] = i;
  for (unsigned i = 0; i < threads.size(); ++i) {
    Thread &t = threads[i];
    t.state = READY;
    t.index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    getcontext(&t.context);
    t.context.uc_stack.ss_sp = &stacks[i * STACK];
    t.context.uc_stack.ss_size = STACK;
    makecontext(&t.context, run_body, 0);
  }
  do {
    for (bool moved = true; moved;) {
      moved = false;
      shuffle(warps);
      // A warp runs ahead of the others for a while.
      for (unsigned warp : warps)
        do {
          shuffle(lanes);
          for (unsigned lane : lanes) {
            current = warp * 32 + lane;
            if (threads[current].state == READY) { moved = true; swapcontext(&scheduler, &threads[current].context); }
          }
        } while (release_warp(warp) && (moved = true) && random_number() % 8);
    }
  } while (release_block());
}

// A float32 that is flushed whenever it is read or written by an instruction; loads and stores keep its bits.
inline float flush(float value) { return std::fabs(value) < 1.17549435e-38f ? std::copysign(0.0f, value) : value; }
struct Float {
  float bits;
  Float() = default;
  Float(double value) : bits(flush((float)value)) {}
  operator double() const { return flush(bits); }
  Float &operator+=(Float value) { return *this = (double)(flush(bits) + flush(value.bits)); }
};
inline Float operator*(Float left, int right) { return (double)(flush(left.bits) * (float)right); }
inline bool operator<(Float left, Float right) { return flush(left.bits) < flush(right.bits); }
// What the PTX instruction cvt.f64.f32 does, which does not flush.
inline double exact(Float value) { return value.bits; }
}  // namespace host

extern "C" char __start_shared_memory[], __stop_shared_memory[];
static char nothing __attribute__((section("shared_memory"), used));

#define __global__
#define __device__
#define __noinline__ __attribute__((noinline))
#define float host::Float
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 900
#endif
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("shared_memory")))
#define threadIdx (host::threads[host::current].index)
#define blockIdx host::block_index
#define blockDim host::block
#define gridDim host::grid

inline void __syncthreads() { host::wait(host::AT_BLOCK); }
inline void __syncwarp() { host::wait(host::AT_WARP); }
template <class T> T __shfl_xor_sync(unsigned mask, T value, int apart) {
  if (mask != 0xffffffffu) host::error = "a shuffle among part of a warp";
  T result;
  memcpy(&host::slots[host::current], &value, sizeof(T));
  __syncwarp();
  memcpy(&result, &host::slots[host::current ^ apart], sizeof(T));
  __syncwarp();
  return result;
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value) {
  if (mask != 0xffffffffu) host::error = "a reduction among part of a warp";
  memcpy(&host::slots[host::current], &value, sizeof(unsigned));
  __syncwarp();
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned received;
    memcpy(&received, &host::slots[host::current / 32 * 32 + lane], sizeof(unsigned));
    if (received < value) value = received;
  }
  __syncwarp();
  return value;
}
inline unsigned __ballot_sync(unsigned mask, bool value) {
  if (mask != 0xffffffffu) host::error = "a vote among part of a warp";
  host::slots[host::current] = value;
  __syncwarp();
  unsigned lanes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) lanes |= (unsigned)host::slots[host::current / 32 * 32 + lane] << lane;
  __syncwarp();
  return lanes;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned bits) { return __builtin_ffs(bits); }
template <class T> T atomicMin(T *place, T value) { T old = *place; if (value < old) *place = value; return old; }
template <class T> T atomicAdd(T *place, T value) { T old = *place; *place += value; return old; }
template <class To, class From> To same_bits(From from) { To to; memcpy(&to, &from, sizeof(To)); return to; }
inline double __longlong_as_double(long long bits) { return same_bits<double>(bits); }
inline long long __double_as_longlong(double value) { return same_bits<long long>(value); }
inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
inline unsigned __float_as_uint(float value) { return same_bits<unsigned>(value); }

// Launching: the types of the parameters come from the kernel itself.
template <class... P> std::vector<size_t> sizes_of(void (*)(P...)) { return {sizeof(P)...}; }
template <class... P, size_t... I> void call(void (*kernel)(P...), void **args, std::index_sequence<I...>) {
  kernel(*static_cast<P *>(args[I])...);
}
template <class... P> void call(void (*kernel)(P...), void **args) {
  call(kernel, args, std::index_sequence_for<P...>());
}
template <class F> const char *launch(F each, const unsigned *shape, size_t dynamic, unsigned seed) {
  using namespace host;
  grid = {shape[0], shape[1], shape[2]};
  block = {shape[3], shape[4], shape[5]};
  host::seed = seed * 2654435761u + 1;
  body = each;
  error.clear();
  threads.assign(block.x * block.y * block.z, {});
  slots.assign(threads.size(), 0);
  stacks.resize(threads.size() * STACK);
  std::vector<unsigned> blocks(grid.x * grid.y * grid.z);
  for (unsigned i = 0; i < blocks.size(); ++i) blocks[i] = i;
  shuffle(blocks);
  for (unsigned i : blocks) {
    if (!error.empty()) break;
    block_index = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
    memset(__start_shared_memory, 0xCD, __stop_shared_memory - __start_shared_memory);
    dynamic_memory.assign(dynamic + 64, (char)0xCD);
    run_block();
  }
  return error.c_str();
}
