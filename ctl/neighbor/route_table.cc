#include "ctl/neighbor/route_table.h"

#include <array>

namespace fairlead::neighbor {

namespace {

[[nodiscard]] int interface_of(const std::optional<Route>& route) {
    return route && route->is_unicast ? route->interface_index : 0;
}

[[nodiscard]] IpAddress source_of(const std::optional<Route>& route) {
    return route && route->source ? *route->source : IpAddress{};
}

// The prefix without the bits behind it.
[[nodiscard]] IpAddress first_of(const conf::PortConfig::Prefix& prefix) {
    std::array<std::uint8_t, 16> bytes = prefix.address.bytes();
    // An IPv4 prefix counts from bit 96 of the 16-byte form.
    const unsigned bits = prefix.length + (prefix.address.is_v4() ? 96U : 0U);
    for (unsigned bit = bits; bit < 128; ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    return IpAddress::from_v6(bytes);
}

}  // namespace

const std::optional<Route>* RouteTable::find(const IpAddress& destination) const {
    const auto found = routes_.find(destination);
    return found == routes_.end() ? nullptr : &found->second;
}

void RouteTable::store(const IpAddress& destination, const std::optional<Route>& route) {
    const auto [place, is_new] = routes_.try_emplace(destination, route);
    if (!is_new) {
        unlist(destination, place->second);
        place->second = route;
    }
    by_interface_[interface_of(route)].insert(destination);
    by_source_[source_of(route)].insert(destination);
}

void RouteTable::set_names_source(const IpAddress& destination, bool names_source) {
    routes_.at(destination)->names_source = names_source;
}

void RouteTable::forget(const IpAddress& destination) {
    const auto found = routes_.find(destination);
    if (found == routes_.end()) {
        return;
    }
    unlist(destination, found->second);
    routes_.erase(found);
    outdated_.erase(destination);
}

void RouteTable::unlist(const IpAddress& destination, const std::optional<Route>& route) {
    const auto drop = [&](auto& lists, const auto& key) {
        const auto list = lists.find(key);
        list->second.erase(destination);
        if (list->second.empty()) {
            lists.erase(list);
        }
    };
    drop(by_interface_, interface_of(route));
    drop(by_source_, source_of(route));
}

void RouteTable::outdate(const conf::PortConfig::Prefix& prefix) {
    // The addresses of a prefix stand together in the table's order.
    for (auto next = routes_.lower_bound(first_of(prefix)); next != routes_.end(); ++next) {
        if (next->first.is_v4() != prefix.address.is_v4()) {
            continue;  // within ::/0 lie the IPv4 addresses, in their 16-byte form
        }
        if (!contains(prefix, next->first)) {
            break;
        }
        outdated_.insert(next->first);
    }
}

void RouteTable::outdate_family(std::optional<bool> is_v4) {
    for (const auto& [destination, route] : routes_) {
        if (!is_v4 || destination.is_v4() == *is_v4) {
            outdated_.insert(destination);
        }
    }
}

void RouteTable::outdate_interface(int index) {
    for (const int which : {index, 0}) {
        if (const auto list = by_interface_.find(which); list != by_interface_.end()) {
            outdated_.insert(list->second.begin(), list->second.end());
        }
    }
}

void RouteTable::outdate_source(const IpAddress& source) {
    for (const IpAddress& which : {source, IpAddress{}}) {
        if (const auto list = by_source_.find(which); list != by_source_.end()) {
            outdated_.insert(list->second.begin(), list->second.end());
        }
    }
}

std::vector<IpAddress> RouteTable::take_outdated(std::size_t most) {
    std::vector<IpAddress> taken;
    while (!outdated_.empty() && taken.size() < most) {
        taken.push_back(*outdated_.begin());
        outdated_.erase(outdated_.begin());
    }
    return taken;
}

}  // namespace fairlead::neighbor
