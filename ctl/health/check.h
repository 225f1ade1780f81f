// One check of one backend: a connection, perhaps a request, one result.
//
// A connection that has done its work ends in order as far as `closings` allows: a tcp check closes
// first, and waits for the server's FIN; an http check has asked the server to close, and lets it.
// What timed out or failed, or is not closed by the server within the check's time-out, ends by
// RST.
//
// Theory of operation of the time-out. The answer may be there and nobody has looked: so the time
// that the loop's thread was late since the check began is given to it once more, up to the timeout
// itself. If the thread was late again, for most of that, nobody knows, and the check is discarded.
// So a backend that is dead is declared so, by a busy host too, at most one timeout later.
//
// Owned by whoever holds the pointer and by its own pending operations. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>

#include "conf/schema/config.h"
#include "ctl/health/closings.h"
#include "ctl/health/lateness.h"
#include "ctl/health/outcome.h"
#include "ctl/loop/io_context_fwd.h"
#include "dp/net/ip_address.h"

namespace fairlead::health {

class Check {
  public:
    using Done = std::function<void(const CheckResult&)>;

    Check() = default;
    virtual ~Check() = default;
    Check(const Check&) = delete;
    Check& operator=(const Check&) = delete;
    Check(Check&&) = delete;
    Check& operator=(Check&&) = delete;

    // Ends it without a result; `done` is not called.
    virtual void cancel() noexcept = 0;
};

// What the checks of one loop share.
struct Shared {
    std::shared_ptr<Closings> closings;
    // Outlives every check that has not ended, and watches as long as one runs.
    const Lateness* lateness = nullptr;
};

// Begins a check of type tcp or http. `done` is called once, on the loop, later than this returns.
[[nodiscard]] std::shared_ptr<Check> start_check(boost::asio::io_context& loop,
                                                 const IpAddress& address,
                                                 std::uint16_t port,
                                                 const conf::HealthConfig& health,
                                                 Shared shared,
                                                 Check::Done done);

}  // namespace fairlead::health
