// Answers that take long are made in turns, so that whatever else the loop has to do comes between.
//
// A piece of work is called again and again, each time from a turn of the loop of its own, until it
// is done; of several pieces each has its turn before the first has another. At most one turn is in
// the loop's queue at any time. Thread: the loop's.
#pragma once

#include <deque>
#include <functional>

#include "ctl/loop/io_context_fwd.h"

namespace fairlead::api {

class Turns {
  public:
    // Does a part of the work; whether there is more.
    using Work = std::function<bool()>;

    // `loop` and what the work refers to must outlive its last turn.
    explicit Turns(boost::asio::io_context& loop) : loop_(loop) {}

    void add(Work work);

  private:
    void post();
    void take();

    boost::asio::io_context& loop_;
    std::deque<Work> waiting_;
    bool is_posted_ = false;
};

}  // namespace fairlead::api
