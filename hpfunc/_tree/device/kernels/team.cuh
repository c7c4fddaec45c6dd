// What the threads of a team do together: a team is a warp (TEAM 32) or a whole block (TEAM = its size).
//
// Reductions go by shuffles within a warp and by slots of shared memory between warps, always in the same order, so
// that every thread gets the same bits and every run the same result.
//
// -DREAL= float or double, the table; -DPOINT= float or double, the points; -DTEAM= 32 or a block size.

#define WARPS (TEAM / 32)
#define TEAMS (TEAM == 32 ? 4 : 1)  // teams of a block
#define INFINITE __longlong_as_double(0x7ff0000000000000LL)

struct Two { REAL first; int vertex; REAL second; };  // the lightest edge, where it leads, and the weight after it

__device__ inline void team_sync() {
  if (TEAM == 32) __syncwarp(); else __syncthreads();
}

__device__ inline void lighten(Two &t, REAL first, int vertex, REAL second) {
  bool better = first < t.first || (first == t.first && vertex < t.vertex);
  REAL loser = better ? t.first : first;
  REAL next = better ? second : t.second;
  if (better) { t.first = first; t.vertex = vertex; }
  t.second = loser < next ? loser : next;
}

__device__ inline void warp_lightest(Two &t) {
  for (int apart = 16; apart; apart /= 2) {
    REAL first = __shfl_xor_sync(0xffffffffu, t.first, apart);
    int vertex = __shfl_xor_sync(0xffffffffu, t.vertex, apart);
    REAL second = __shfl_xor_sync(0xffffffffu, t.second, apart);
    lighten(t, first, vertex, second);
  }
}

// The lightest edges that any thread of the team knows. Slots alternate, so that one barrier is enough.
__device__ inline Two team_lightest(Two t, Two *slots, Two none) {
  warp_lightest(t);
  if (TEAM == 32) { __syncwarp(); return t; }
  int lane = threadIdx.x % 32;
  if (lane == 0) slots[threadIdx.x / 32] = t;
  __syncthreads();
  t = lane < WARPS ? slots[lane] : none;
  warp_lightest(t);
  return t;
}

// Squared distance of two points by differences in float64; every thread gets the same bits.
__device__ inline double measured(const POINT *x, const POINT *y, long long d, double *slots) {
  double sum = 0;
  for (long long f = threadIdx.x % TEAM; f < d; f += TEAM) {
    double difference = (double)x[f] - (double)y[f];
    sum += difference * difference;
  }
  for (int apart = 16; apart; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  if (TEAM == 32) return sum;
  if (threadIdx.x % 32 == 0) slots[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = 0;
  for (int w = 0; w < WARPS; ++w) sum += slots[w];
  __syncthreads();
  return sum;
}
