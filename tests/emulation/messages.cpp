#include "emulation/messages.hpp"

#include <cstdio>
#include <string_view>

namespace emulation {

char const* name_of(WarpOp op) {
  switch (op) {
    case WarpOp::sync:
      return "__syncwarp";
    case WarpOp::shuffle:
      return "__shfl_sync";
    case WarpOp::shuffle_up:
      return "__shfl_up_sync";
    case WarpOp::shuffle_down:
      return "__shfl_down_sync";
    case WarpOp::shuffle_xor:
      return "__shfl_xor_sync";
    case WarpOp::ballot:
      return "__ballot_sync";
    case WarpOp::any:
      return "__any_sync";
    case WarpOp::all:
      return "__all_sync";
    case WarpOp::match_any:
      return "__match_any_sync";
    case WarpOp::reduce_add:
      return "__reduce_add_sync";
    case WarpOp::reduce_min:
    case WarpOp::reduce_min_signed:
      return "__reduce_min_sync";
    case WarpOp::reduce_max:
    case WarpOp::reduce_max_signed:
      return "__reduce_max_sync";
    case WarpOp::reduce_and:
      return "__reduce_and_sync";
    case WarpOp::reduce_or:
      return "__reduce_or_sync";
    case WarpOp::reduce_xor:
      return "__reduce_xor_sync";
  }
  return "";
}

std::string hex(unsigned mask) {
  char text[11];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

std::string describe(uint3 index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
         std::to_string(index.z) + ")";
}

std::string describe(Site site) {
  std::string_view const path = site.file;
  return std::string(path.substr(path.rfind('/') + 1)) + ":" + std::to_string(site.line);
}

std::string describe(char const* name, Site site) {
  return std::string(name) + " (" + describe(site) + ")";
}

std::string describe_lanes(unsigned mask) {
  std::string lanes;
  int count = 0;
  for (int lane = 0; lane < warp_lanes; ++lane) {
    if ((mask & bit(lane)) == 0) {
      continue;
    }
    int last = lane;
    while (last + 1 < warp_lanes && (mask & bit(last + 1)) != 0) {
      ++last;
    }
    lanes += (count == 0 ? "" : ", ") + std::to_string(lane);
    lanes += last > lane ? "-" + std::to_string(last) : "";
    count += 1 + last - lane;
    lane = last;
  }
  return (count == 1 ? "lane " : "lanes ") + lanes;
}

}  // namespace emulation
