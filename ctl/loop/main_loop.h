// The loop that runs the daemon, and what it waits for: signals here, time and descriptors in the
// neighboring headers. Boost.Asio does it, and its headers stay in this folder's sources and with
// those who speak TCP or HTTP: they are most of what compiling this program costs.
//
// Thread: one runs the loop; everything here is called by it.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "ctl/loop/io_context_fwd.h"

namespace fairlead::loop {

class MainLoop {
  public:
    MainLoop();
    ~MainLoop();
    MainLoop(const MainLoop&) = delete;
    MainLoop& operator=(const MainLoop&) = delete;

    // What the parts of the program wait with. They must not outlive this.
    [[nodiscard]] boost::asio::io_context& context();
    // Calls `then` with the number of each of these signals that comes, until the loop ends.
    void on_signals(std::initializer_list<int> signals, std::function<void(int)> then);
    // Returns after stop(), or when nobody waits for anything.
    void run();
    void stop();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Calls `then` in a later turn of the loop.
void post(boost::asio::io_context& loop, std::function<void()> then);

}  // namespace fairlead::loop
