// Whether an interface's clsact qdisc has filters, by netlink (libbpf only knows single ones).
#pragma once

namespace fairlead {

// True also where the kernel does not tell: what is not known to be unused is left alone.
[[nodiscard]] bool has_tc_filters(unsigned interface_index);

}  // namespace fairlead
