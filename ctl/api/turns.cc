#include "ctl/api/turns.h"

#include <utility>

#include "ctl/loop/main_loop.h"

namespace fairlead::api {

void Turns::add(Work work) {
    waiting_.push_back(std::move(work));
    post();
}

void Turns::post() {
    if (!is_posted_ && !waiting_.empty()) {
        is_posted_ = true;
        loop::post(loop_, [this] { take(); });
    }
}

void Turns::take() {
    is_posted_ = false;
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    if (work()) {
        waiting_.push_back(std::move(work));
    }
    post();
}

}  // namespace fairlead::api
