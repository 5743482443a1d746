#pragma once

namespace relweave::test {

/// Makes the emulation a build without cuSPARSE.
extern bool without_cusparse;

}  // namespace relweave::test
