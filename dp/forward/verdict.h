// What is to become of a packet.
#pragma once

#include <cstdint>

#include "dp/base/ids.h"
#include "dp/shm/drop_reason.h"
#include "dp/shm/reply_kind.h"

namespace fairlead {

enum class Action : std::uint8_t {
    kDrop,      // `reason` says why
    kTransmit,  // leave by `port`; the packet's bytes are final
    kKernel,    // not for a VIP: hand it to the kernel, untouched
    kHold,      // a fragment before its first one: keep it, unchanged, and offer it again soon
};

struct Verdict {
    Action action = Action::kDrop;
    DropReason reason = DropReason::kNone;
    PortIndex port{};
    ReplyKind reply = ReplyKind::kNone;  // what leaves is the balancer's own answer, no backend's
    BackendIndex backend = kNoBackendIndex;
    ServiceId service = kNoServiceId;
};
static_assert(sizeof(Verdict) == 12);

}  // namespace fairlead
