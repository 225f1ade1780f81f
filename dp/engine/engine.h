// The engine: everything that lbdp owns, from start to stop.
//
// start() checks what it was told, takes the run directory, opens ports and starts the workers,
// which wait for the daemon's first generation. run() is the control thread's loop: it follows
// `tables`, mirrors VIPs to the interfaces, and brings the ports' counters up to date, until
// stop_requested() says so. The destructor stops the workers and closes the ports.
//
// A failure of start() leaves nothing running; a steering program may stay on an interface, with
// the VIPs of the last engine.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "dp/base/result.h"
#include "dp/engine/options.h"

namespace fairlead::engine {

class Engine {
  public:
    // Call once a process.
    [[nodiscard]] static Result<std::unique_ptr<Engine>> start(const Options& options);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;

    // Calls `wait` between two turns, which sleeps for at most the time that it is given and
    // returns true when the engine is to stop.
    [[nodiscard]] Status run(const std::function<bool(std::chrono::milliseconds)>& wait);

  private:
    class State;
    explicit Engine(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace fairlead::engine
