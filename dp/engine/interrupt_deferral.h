// Keeps an interface's interrupts off while its queues are polled busily.
//
// With SO_PREFER_BUSY_POLL the kernel's receive path runs in the worker's own calls, but only if
// the interface lets interrupts wait for them: `napi_defer_hard_irqs` and `gro_flush_timeout`
// (kernel documentation, networking/napi.rst). Otherwise both compete for the same packets.
//
// What an operator has set is left alone, and what was set here is taken back at the end; after a
// kill it stays, and costs what the kernel receives at most the timeout. Thread: one at a time.
#pragma once

#include <string>

namespace fairlead::engine {

class InterruptDeferral {
  public:
    InterruptDeferral() = default;
    ~InterruptDeferral() { end(); }
    InterruptDeferral(const InterruptDeferral&) = delete;
    InterruptDeferral& operator=(const InterruptDeferral&) = delete;

    // Whether interrupts are deferred now, by this or by somebody else. Not where /sys shows
    // another network namespace.
    bool begin(const std::string& interface, unsigned index);
    void end();

  private:
    std::string interface_;  // "": nothing was set here
    unsigned index_ = 0;
};

}  // namespace fairlead::engine
