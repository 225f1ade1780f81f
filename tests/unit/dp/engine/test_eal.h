// DPDK's environment for tests that need packet buffers: started once, small, without huge pages.
#pragma once

#include <cstdlib>

#include <gtest/gtest.h>

#include "dp/engine/cpus.h"
#include "dp/engine/eal.h"

namespace fairlead::engine {

inline void start_test_eal() {
    static const Status started = [] {
        set_eal_environment(::testing::TempDir());
        return start_eal({.uses_hugepages = false,
                          .memory_bytes = std::uint64_t{64} << 20U,
                          .control_cpus = allowed_cpus()});
    }();
    ASSERT_TRUE(started) << started.error().message;
}

}  // namespace fairlead::engine
