// What the threads of a team do together: a team is a warp (TEAM 32) or a whole block (TEAM = its size).
//
// Minima are exchanged within a warp by registers and between warps by slots in shared memory. A minimum does not
// depend on the order in which it is taken, so every thread gets the same bits and every run the same result.
//
// -DTEAM= 32 or a block size.

#define WARPS (TEAM / 32)
#define TEAMS (TEAM == 32 ? 4 : 1)  // teams of a block
#define NO_VERTEX 0xffffffffu

// The lightest edge out of the tree: its key, where it leads and where it comes from, and the key of the edge after it.
struct Lightest { Key first, second; unsigned vertex, from; };

__device__ inline void team_sync() {
  if (TEAM == 32) __syncwarp(); else __syncthreads();
}

// Merge the edge to one more vertex, which must be higher than all before it, into the lightest of a thread.
__device__ inline void merge(Lightest &lightest, Key first, Key second, unsigned vertex, unsigned from) {
  if (first < lightest.first) {
    lightest.second = second < lightest.first ? second : lightest.first;
    lightest.first = first;
    lightest.vertex = vertex;
    lightest.from = from;
  } else if (first < lightest.second) {
    lightest.second = first;
  }
}

__device__ inline void warp_lightest(Lightest &t) {
  Key first = warp_min(t.first);
  unsigned vertex = warp_min(t.first == first ? t.vertex : NO_VERTEX);
  bool mine = t.vertex == vertex;
  t.second = warp_min(mine ? t.second : t.first);
  t.from = warp_min(mine ? t.from : NO_VERTEX);
  t.first = first;
  t.vertex = vertex;
}

// The lightest edge that any thread of the team knows. Slots alternate, so that one barrier is enough.
__device__ inline Lightest team_lightest(Lightest t, Lightest *slots) {
  warp_lightest(t);
  if (TEAM == 32) { __syncwarp(); return t; }
  int lane = threadIdx.x % 32;
  if (lane == 0) slots[threadIdx.x / 32] = t;
  __syncthreads();
  t = {NO_KEY, NO_KEY, NO_VERTEX, NO_VERTEX};
  if (lane < WARPS) t = slots[lane];
  warp_lightest(t);
  return t;
}
