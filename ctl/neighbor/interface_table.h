// The host's interfaces and addresses, kept up to date event by event.
//
// Thread: one at a time.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "ctl/neighbor/event.h"
#include "ctl/neighbor/port_facts.h"

namespace fairlead::neighbor {

class InterfaceTable {
  public:
    // Each returns whether anything changed. Addresses that come before their link are kept for it.
    bool apply(const LinkChanged& changed);
    bool apply(const LinkGone& gone);
    bool apply(const AddressChanged& changed);
    void clear();

    // In the order of their indices.
    [[nodiscard]] std::span<const Interface> all() const { return interfaces_; }
    // nullptr: there is none.
    [[nodiscard]] const Interface* find(int index) const;
    // Whether the host has this address, on whichever interface.
    [[nodiscard]] bool has_address(const IpAddress& address) const;

  private:
    [[nodiscard]] std::vector<IpAddress> addresses_of(int index) const;

    std::vector<Interface> interfaces_;
    std::map<int, std::vector<LocalAddress>> addresses_;  // by interface, in the kernel's order
    std::map<IpAddress, int> holders_;                    // how many interfaces have it
};

}  // namespace fairlead::neighbor
