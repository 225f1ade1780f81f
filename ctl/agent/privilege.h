// Whether this process may do what lbagent does.
#pragma once

#include "dp/base/result.h"

namespace fairlead::agent {

// CAP_NET_ADMIN (addresses, settings, XDP) is what everything here needs, and CAP_BPF comes with it
// in practice; the error says how to get them.
[[nodiscard]] Status check_privilege();

}  // namespace fairlead::agent
