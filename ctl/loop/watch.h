// Calls a function whenever a descriptor can be read. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>

#include "ctl/loop/io_context_fwd.h"

namespace fairlead::loop {

// Level-triggered: what the function leaves unread calls it again. Not called after the watch's
// end.
class Watch {
  public:
    // The descriptor stays the caller's, who closes it after the watch's end. Throws std::exception
    // where epoll refuses it.
    Watch(boost::asio::io_context& loop, int descriptor, std::function<void()> on_readable);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace fairlead::loop
