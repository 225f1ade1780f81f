#include "ctl/neighbor/interface_table.h"

#include <algorithm>
#include <utility>

namespace fairlead::neighbor {

namespace {

[[nodiscard]] auto place_of(std::vector<Interface>& interfaces, int index) {
    return std::lower_bound(
        interfaces.begin(), interfaces.end(), index, [](const Interface& one, int wanted) {
            return one.index < wanted;
        });
}

}  // namespace

bool InterfaceTable::apply(const LinkChanged& changed) {
    Interface link = changed.link;
    link.addresses = addresses_of(link.index);
    const auto place = place_of(interfaces_, link.index);
    if (place == interfaces_.end() || place->index != link.index) {
        interfaces_.insert(place, std::move(link));
        return true;
    }
    if (*place == link) {
        return false;
    }
    *place = std::move(link);
    return true;
}

bool InterfaceTable::apply(const LinkGone& gone) {
    // The kernel has told of each address that went with it before; one that it did not goes now.
    if (const auto held = addresses_.find(gone.index); held != addresses_.end()) {
        const std::vector<LocalAddress> left = std::move(held->second);
        for (const LocalAddress& address : left) {
            if (--holders_[address.ip] == 0) {
                holders_.erase(address.ip);
            }
        }
        addresses_.erase(held);
    }
    const auto place = place_of(interfaces_, gone.index);
    if (place == interfaces_.end() || place->index != gone.index) {
        return false;
    }
    interfaces_.erase(place);
    return true;
}

bool InterfaceTable::apply(const AddressChanged& changed) {
    std::vector<LocalAddress>& held = addresses_[changed.interface_index];
    const auto place = std::find_if(held.begin(), held.end(), [&](const LocalAddress& address) {
        return address.ip == changed.address.ip;
    });
    const bool is_known = place != held.end();
    if (changed.is_gone ? !is_known : is_known && *place == changed.address) {
        return false;
    }
    if (changed.is_gone) {
        held.erase(place);
        if (--holders_[changed.address.ip] == 0) {
            holders_.erase(changed.address.ip);
        }
    } else if (is_known) {
        *place = changed.address;
    } else {
        held.push_back(changed.address);
        ++holders_[changed.address.ip];
    }
    const auto owner = place_of(interfaces_, changed.interface_index);
    if (owner != interfaces_.end() && owner->index == changed.interface_index) {
        owner->addresses = addresses_of(changed.interface_index);
    }
    return true;
}

void InterfaceTable::clear() {
    interfaces_.clear();
    addresses_.clear();
    holders_.clear();
}

const Interface* InterfaceTable::find(int index) const {
    const auto place = std::lower_bound(
        interfaces_.begin(), interfaces_.end(), index, [](const Interface& one, int wanted) {
            return one.index < wanted;
        });
    return place == interfaces_.end() || place->index != index ? nullptr : &*place;
}

bool InterfaceTable::has_address(const IpAddress& address) const {
    return holders_.contains(address);
}

std::vector<IpAddress> InterfaceTable::addresses_of(int index) const {
    std::vector<IpAddress> result;
    const auto held = addresses_.find(index);
    if (held == addresses_.end()) {
        return result;
    }
    for (const bool is_preferred : {true, false}) {
        for (const LocalAddress& address : held->second) {
            if (address.is_global && address.is_preferred == is_preferred) {
                result.push_back(address.ip);
            }
        }
    }
    return result;
}

}  // namespace fairlead::neighbor
