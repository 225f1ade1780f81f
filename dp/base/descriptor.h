// A file descriptor with one owner, who closes it.
#pragma once

#include <utility>

#include <unistd.h>

namespace fairlead {

// What open(), socket() and their like return: take it straight from the call, then ask is_open();
// errno is still the call's own. Not for sharing between threads.
class Descriptor {
  public:
    explicit Descriptor(int number = -1) noexcept : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    // What this one had goes with `other`.
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }

    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    // For system calls; below 0 where there is none.
    [[nodiscard]] int get() const noexcept { return number_; }
    void close() noexcept {
        if (is_open()) {
            (void)::close(std::exchange(number_, -1));
        }
    }

  private:
    int number_;
};

}  // namespace fairlead
