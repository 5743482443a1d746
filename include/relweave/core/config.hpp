#pragma once
// Version, visibility and host/device markers. The only macros in public headers, all RELWEAVE_*.

#define RELWEAVE_VERSION_MAJOR 0
#define RELWEAVE_VERSION_MINOR 1
#define RELWEAVE_VERSION_PATCH 0
#define RELWEAVE_VERSION_STRING "0.1.0"

#if defined(RELWEAVE_STATIC)
#define RELWEAVE_API
#else
#define RELWEAVE_API __attribute__((visibility("default")))
#endif

#if defined(__CUDACC__)
#define RELWEAVE_HOST_DEVICE __host__ __device__
#define RELWEAVE_DEVICE __device__
#else
#define RELWEAVE_HOST_DEVICE
#endif
