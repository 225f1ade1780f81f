// One lbagent a run directory.
//
// The lock is an flock on a file, so that it goes with its process, however that ends. The file
// stays: deleting it would let two programs lock two files of one name.
#pragma once

#include <filesystem>

#include "dp/base/result.h"

namespace fairlead::agent {

class RunLock {
  public:
    // Makes the directory if it is missing. Fails, with the other's process number, if another
    // holds the lock.
    [[nodiscard]] static Result<RunLock> take(const std::filesystem::path& run_dir);

    RunLock(RunLock&& other) noexcept;
    RunLock& operator=(RunLock&& other) noexcept;
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;
    ~RunLock();

  private:
    explicit RunLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace fairlead::agent
