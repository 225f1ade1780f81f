// The state directory belongs to one lbd at a time.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace fairlead::store {

// Held until its end, and by the kernel no longer than the process lives.
class StateLock {
  public:
    // Error: another lbd has it (the message names its run directory), or it cannot be locked.
    [[nodiscard]] static Result<StateLock> take(const std::string& state_dir,
                                                const std::string& run_dir);
    ~StateLock();
    StateLock(StateLock&& other) noexcept;
    StateLock& operator=(StateLock&& other) noexcept;
    StateLock(const StateLock&) = delete;
    StateLock& operator=(const StateLock&) = delete;

  private:
    explicit StateLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

}  // namespace fairlead::store
