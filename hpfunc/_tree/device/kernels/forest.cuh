// A forest that becomes the minimum spanning tree of one pair or cloud, and what its components know of their edges.

#define NO_VALUE (~0ull)
#define HEADER 64  // words of memory that the description takes

struct Forest {
  Pair pair;
  double relative, width, least;  // an edge is no longer than its bound (1 + relative) + width + least
  long long allowed;              // edges that may be measured
  unsigned long long spent;       // edges that were
  int size, exact;                // points; and whether lengths decide, or bounds alone
  int *component, *parent;        // (vertices,) the root of each vertex, -1 for padding; where a root hangs next
  int *close;                     // (vertices,) edges of a component that may be its lightest
  int *result;                    // (size, 2) outcome and edges found; then the edges
  unsigned long long *nearest;    // (vertices,) key of the lightest bound from a vertex to another component
  unsigned long long *lightest;   // the least of these in a component, at its root
  unsigned long long *first, *second, *edge;  // of a vertex: the shortest two lengths, as bits, and the shortest edge
  unsigned long long *shortest, *choice;      // the least `first` in a component and its edge, at its root

  __device__ bool over() const { return result[0] != UNIQUE || result[1] == size - 1; }
  __device__ double limit(unsigned long long key) const {
    double bound = bound_of((Key)key);
    return exact ? bound * (1 + relative) + width + least : bound;
  }
};

static_assert(sizeof(Forest) <= 8 * HEADER, "the description outgrows its place");

// Lay a forest out in memory of HEADER + 9 words a vertex.
__device__ inline Forest lay_out(const Pair &pair, unsigned long long *memory, int *result) {
  Forest f;
  long long n = pair.vertices();
  f.pair = pair;
  f.spent = 0;
  f.size = pair.m + pair.n;
  f.allowed = 16LL * f.size;
  unsigned long long *free = memory + HEADER;
  f.nearest = free;
  f.lightest = free + n;
  f.first = free + 2 * n;
  f.second = free + 3 * n;
  f.edge = free + 4 * n;
  f.shortest = free + 5 * n;
  f.choice = free + 6 * n;
  f.component = (int *)(free + 7 * n);
  f.parent = f.component + n;
  f.close = (int *)(free + 8 * n);
  f.result = result;
  return f;
}

// Which vertex a thread, or a warp, has.
__device__ inline int thread_index() { return blockIdx.x * 256 + threadIdx.x; }
__device__ inline int warp_index() { return blockIdx.x * 8 + threadIdx.x / 32; }

// An edge between two vertices as one number.
__device__ inline unsigned long long edge_of(int u, int w) {
  return (unsigned long long)(u < w ? u : w) << 32 | (unsigned)(u < w ? w : u);
}
__device__ inline int lower_end(unsigned long long edge) { return (int)(edge >> 32); }
__device__ inline int upper_end(unsigned long long edge) { return (int)(unsigned)edge; }
