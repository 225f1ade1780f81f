#include <cstdint>
#include <utility>

#include "ctl/loop/main_loop.h"
#include "ctl/loop/timer.h"
#include "ctl/loop/watch.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace fairlead::loop {

namespace asio = boost::asio;
using boost::system::error_code;

struct MainLoop::State {
    // The loop outlives, and so is destroyed after, what waits for it.
    asio::io_context context{1};
    asio::signal_set signals{context};
    std::function<void(int)> on_signal;

    void wait_for_signal() {
        signals.async_wait([this](const error_code& error, int signal) {
            if (!error) {
                wait_for_signal();
                on_signal(signal);
            }
        });
    }
};

MainLoop::MainLoop() : state_(std::make_unique<State>()) {}
MainLoop::~MainLoop() = default;

asio::io_context& MainLoop::context() {
    return state_->context;
}

void MainLoop::on_signals(std::initializer_list<int> signals, std::function<void(int)> then) {
    state_->on_signal = std::move(then);
    for (const int signal : signals) {
        state_->signals.add(signal);
    }
    state_->wait_for_signal();
}

void MainLoop::run() {
    state_->context.run();
}

void MainLoop::stop() {
    state_->context.stop();
}

void post(asio::io_context& loop, std::function<void()> then) {
    asio::post(loop, std::move(then));
}

struct Timer::State {
    explicit State(asio::io_context& loop) : timer(loop) {}

    asio::steady_timer timer;
    std::uint64_t call = 0;  // the call that is to come, or came last
    bool is_pending = false;
};

Timer::Timer(asio::io_context& loop) : state_(std::make_shared<State>(loop)) {}
Timer::~Timer() {
    cancel();
}

void Timer::at(Clock::time_point time, std::function<void()> then) {
    state_->timer.expires_at(time);
    const std::uint64_t call = ++state_->call;
    state_->is_pending = true;
    // A call whose time has come is in the loop's queue, where cancelling does not reach it.
    state_->timer.async_wait(
        [weak = std::weak_ptr(state_), call, then = std::move(then)](const error_code& error) {
            const std::shared_ptr<State> state = weak.lock();
            if (!error && state != nullptr && state->is_pending && state->call == call) {
                state->is_pending = false;
                then();
            }
        });
}

void Timer::after(Clock::duration duration, std::function<void()> then) {
    at(Clock::now() + duration, std::move(then));
}

bool Timer::cancel() noexcept {
    try {
        state_->timer.cancel();
    } catch (const boost::system::system_error&) {
        // It goes off then, and calls nobody.
    }
    return std::exchange(state_->is_pending, false);
}

struct Watch::State {
    State(asio::io_context& loop, std::function<void()> then)
        : descriptor(loop), on_readable(std::move(then)) {}

    asio::posix::stream_descriptor descriptor;
    std::function<void()> on_readable;
};

namespace {

template <typename State>
void wait_until_readable(const std::shared_ptr<State>& state) {
    state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 [weak = std::weak_ptr(state)](const error_code& error) {
                                     if (const std::shared_ptr<State> there = weak.lock();
                                         !error && there != nullptr) {
                                         there->on_readable();
                                         wait_until_readable(there);
                                     }
                                 });
}

}  // namespace

Watch::Watch(asio::io_context& loop, int descriptor, std::function<void()> on_readable)
    : state_(std::make_shared<State>(loop, std::move(on_readable))) {
    state_->descriptor.assign(descriptor);
    wait_until_readable(state_);
}

Watch::~Watch() {
    (void)state_->descriptor.release();
}

}  // namespace fairlead::loop
