#include "ctl/neighbor/neighbor_table.h"

#include <algorithm>
#include <utility>

namespace fairlead::neighbor {

namespace {

constexpr std::chrono::milliseconds kCoalesce{10};
// The kernel did not tell, for want of memory as a rule.
constexpr std::chrono::milliseconds kReadAgain{200};
// Routes of one turn of the loop, so that a default route that changes holds up nobody else.
constexpr std::size_t kRoutesATurn = 256;
constexpr std::chrono::milliseconds kNextTurn{1};

[[nodiscard]] std::string text_of(const IpAddress& address) {
    return address.text().data();
}

[[nodiscard]] bool has_kernel_interface(const conf::PortConfig& port) {
    return !port.interface.empty();
}

[[nodiscard]] bool can_carry(const Interface* interface) {
    return interface != nullptr && interface->is_up && interface->has_carrier;
}

}  // namespace

Result<std::unique_ptr<NeighborTable>> NeighborTable::open(boost::asio::io_context& loop,
                                                           std::vector<conf::PortConfig> ports,
                                                           std::function<void()> on_change) {
    Result<std::unique_ptr<Kernel>> kernel = Kernel::open();
    if (!kernel) {
        return Unexpected{kernel.error()};
    }
    return std::unique_ptr<NeighborTable>(
        new NeighborTable(loop, std::move(kernel).value(), std::move(ports), std::move(on_change)));
}

NeighborTable::NeighborTable(boost::asio::io_context& loop,
                             std::unique_ptr<Kernel> kernel,
                             std::vector<conf::PortConfig> ports,
                             std::function<void()> on_change)
    : kernel_(std::move(kernel)),
      ports_(std::move(ports)),
      on_change_(std::move(on_change)),
      hops_(
          loop,
          *kernel_,
          [this](int index) { return can_carry(interfaces_.find(index)); },
          [this](const NextHop& hop) {
              changed_hops_.insert(hop);
              settle_in(kCoalesce);
          }),
      sources_(ports_.size()),
      port_interfaces_(ports_.size()),
      desired_(ports_.size()),
      soon_(loop),
      notifications_(loop, kernel_->notification_fd(), [this] { on_notifications(); }) {
    hops_.find_former();
    read_again();
    refresh_ports();
}

// ---- what the kernel tells ---------------------------------------------------------------------

void NeighborTable::on_notifications() {
    if (!kernel_->read_events([this](const Event& event) { on_event(event); })) {
        ++rereads_;
        is_reading_due_ = true;
    }
    if (is_reading_due_ || is_interface_changed_ || routes_.has_outdated()) {
        settle_in(kCoalesce);
    }
}

void NeighborTable::on_event(const Event& event) {
    if (const auto* link = std::get_if<LinkChanged>(&event)) {
        const Interface* const known = interfaces_.find(link->link.index);
        const std::optional<Interface> before =
            known != nullptr ? std::optional(*known) : std::nullopt;
        if (interfaces_.apply(*link)) {
            on_link(before ? &*before : nullptr, interfaces_.find(link->link.index));
        }
    } else if (const auto* gone = std::get_if<LinkGone>(&event)) {
        const Interface* const known = interfaces_.find(gone->index);
        const std::optional<Interface> before =
            known != nullptr ? std::optional(*known) : std::nullopt;
        port_interfaces_.forget(gone->index);
        if (interfaces_.apply(*gone)) {
            on_link(&*before, nullptr);
        }
    } else if (const auto* address = std::get_if<AddressChanged>(&event)) {
        if (interfaces_.apply(*address)) {
            is_interface_changed_ = true;
            // Of routes that go with an address the kernel tells nothing.
            routes_.outdate_source(address->address.ip);
            if (address->is_gone) {
                routes_.outdate_interface(address->interface_index);
            }
        }
    } else if (const auto* neighbor = std::get_if<NeighborChanged>(&event)) {
        hops_.apply(*neighbor);
    } else if (const auto* route = std::get_if<RouteChanged>(&event)) {
        routes_.outdate(route->prefix);
    } else if (const auto* rules = std::get_if<RulesChanged>(&event)) {
        routes_.outdate_family(rules->is_v4);
    }
}

// Of routes that come and go with a link's state the kernel does not tell all.
void NeighborTable::on_link(const Interface* before, const Interface* after) {
    is_interface_changed_ = true;
    const int index = after != nullptr ? after->index : before->index;
    const bool is_same_way =
        before != nullptr && after != nullptr && before->is_up == after->is_up &&
        before->has_carrier == after->has_carrier && before->master_index == after->master_index;
    if (is_same_way) {
        return;
    }
    routes_.outdate_interface(index);
    if (port_interfaces_.faces(index) && can_carry(after)) {
        routes_.outdate_family(std::nullopt);  // paths of several gateways that were dead
    }
    hops_.interface_changed(index);
}

void NeighborTable::read_again() {
    InterfaceTable anew;
    const bool is_whole = kernel_->read_interfaces([&](const Event& event) {
        if (const auto* link = std::get_if<LinkChanged>(&event)) {
            anew.apply(*link);
        } else if (const auto* address = std::get_if<AddressChanged>(&event)) {
            anew.apply(*address);
        }
    });
    if (is_whole) {
        interfaces_ = std::move(anew);
        is_interface_changed_ = true;
    }
    routes_.outdate_family(std::nullopt);
    is_reading_due_ = !(hops_.read_again() && is_whole);
    for (const auto& [hop, users] : users_) {
        hops_.interface_changed(hop.interface_index);
    }
    if (is_reading_due_) {
        settle_in(kReadAgain);
    }
}

void NeighborTable::settle_in(std::chrono::milliseconds delay) {
    if (is_settling_soon_) {
        return;
    }
    is_settling_soon_ = true;
    soon_.after(delay, [this] {
        is_settling_soon_ = false;
        settle();
    });
}

void NeighborTable::settle() {
    if (is_reading_due_) {
        read_again();
    }
    refresh_ports();
    for (const IpAddress& backend : routes_.take_outdated(kRoutesATurn)) {
        routes_.store(backend, kernel_->route(backend));
        for (auto next = places_.lower_bound(Need{backend, std::nullopt, false});
             next != places_.end() && next->first.backend == backend;
             ++next) {
            replace(next->first, next->second);
        }
    }
    for (const NextHop& hop : std::exchange(changed_hops_, {})) {
        const auto users = users_.find(hop);
        const std::set<Need> needs = users == users_.end() ? std::set<Need>{} : users->second;
        for (const Need& need : needs) {
            replace(need, places_.at(need));
        }
    }
    refresh_ports();
    if (routes_.has_outdated()) {
        settle_in(kNextTurn);
    }
    if (std::exchange(is_changed_, false)) {
        on_change_();
    }
}

// ---- ports -------------------------------------------------------------------------------------

void NeighborTable::refresh_ports() {
    bool is_moved = false;
    const auto is_ours = [this](const IpAddress& address) {
        return interfaces_.has_address(address);
    };
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if (is_interface_changed_ && has_kernel_interface(ports_[i])) {
            is_moved |= port_interfaces_.look(i, ports_[i], interfaces_.all());
        }
        publish::DesiredPort desired = desired_port(ports_[i], port_interfaces_.facing(i));
        if (has_kernel_interface(ports_[i])) {
            sources_.choose(i, ports_[i], desired, is_ours, Clock::now());
        }
        if (desired != desired_[i]) {
            desired_[i] = desired;
            is_changed_ = true;
        }
    }
    is_interface_changed_ = false;
    if (is_moved) {
        for (auto& [need, place] : places_) {
            replace(need, place);
        }
    }
}

void NeighborTable::keep_tunnel_source(std::string_view port, const IpAddress& source) {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if (ports_[i].name == port && has_kernel_interface(ports_[i])) {
            sources_.keep(i, source);
        }
    }
    refresh_ports();
}

std::vector<PortProblem> NeighborTable::problems(const EngineInterfaces& engines) const {
    std::vector<PortProblem> result;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const conf::PortConfig& port = ports_[i];
        if (!has_kernel_interface(port)) {
            continue;
        }
        const auto found = engines.find(port.name);
        const EngineInterface* const engines_own =
            found == engines.end() ? nullptr : &found->second;
        if (auto problem = port_interfaces_.problem(i, port, engines_own)) {
            result.push_back(*std::move(problem));
        }
        for (std::string& sentence : sources_.problems(i, port, Clock::now())) {
            result.push_back({port.name, std::move(sentence), std::nullopt});
        }
    }
    return result;
}

// ---- backends ----------------------------------------------------------------------------------

NeighborTable::Need NeighborTable::need_of(const IpAddress& backend,
                                           const std::optional<MacAddress>& fixed_mac,
                                           bool same_segment) {
    Need need{backend, std::nullopt, same_segment};
    if (fixed_mac) {
        need.fixed_mac = fixed_mac->bytes;
    }
    return need;
}

const Resolution& NeighborTable::resolve(const IpAddress& backend,
                                         const std::optional<MacAddress>& fixed_mac,
                                         bool same_segment) {
    const Need need = need_of(backend, fixed_mac, same_segment);
    const auto [found, is_new] = places_.try_emplace(need);
    found->second.round = round_;
    if (is_new) {
        replace(need, found->second);
    }
    return found->second.resolution;
}

void NeighborTable::end_of_needs() {
    for (auto next = places_.begin(); next != places_.end();) {
        if (next->second.round == round_) {
            ++next;
            continue;
        }
        drop(next->first, next->second);
        const IpAddress backend = next->first.backend;
        next = places_.erase(next);
        const auto same = places_.lower_bound(Need{backend, std::nullopt, false});
        if (same == places_.end() || same->first.backend != backend) {
            routes_.forget(backend);
        }
    }
    ++round_;
    hops_.release_former();
    refresh_ports();
}

// The new neighbor is needed before the old one is left, so that the same one is never let go.
void NeighborTable::replace(const Need& need, Place& place) {
    Place now = find_place(need);
    now.round = place.round;
    if (now.vote != place.vote) {
        if (now.vote) {
            sources_.add(*now.vote);
        }
        if (place.vote) {
            sources_.remove(*place.vote);
        }
    }
    if (now.hop != place.hop) {
        if (now.hop) {
            users_[*now.hop].insert(need);
        }
        if (place.hop) {
            const auto users = users_.find(*place.hop);
            users->second.erase(need);
            if (users->second.empty()) {
                users_.erase(users);
            }
        }
    }
    if (place.hop) {
        hops_.leave(*place.hop);
    }
    is_changed_ = is_changed_ || now.resolution != place.resolution;
    place = std::move(now);
}

void NeighborTable::drop(const Need& need, const Place& place) {
    if (place.vote) {
        sources_.remove(*place.vote);
    }
    if (place.hop) {
        const auto users = users_.find(*place.hop);
        users->second.erase(need);
        if (users->second.empty()) {
            users_.erase(users);
        }
        hops_.leave(*place.hop);
    }
}

// What it says to be needed is: place.hop has been counted with hops_.
NeighborTable::Place NeighborTable::find_place(const Need& need) {
    Place place;
    if (std::optional<Resolution> found = resolve_on_vdev(need)) {
        place.resolution = *std::move(found);
        return place;
    }
    const IpAddress& backend = need.backend;
    const std::optional<Route>* route = routes_.find(backend);
    if (route == nullptr) {
        routes_.store(backend, kernel_->route(backend));
        route = routes_.find(backend);
    }
    if (!*route || !(*route)->is_unicast) {
        place.resolution.problem = "the kernel has no route to " + text_of(backend) +
                                   " that leaves this host; see `ip route get " + text_of(backend) +
                                   "`";
        return place;
    }
    return find_by_route(need, **route);
}

NeighborTable::Place NeighborTable::find_by_route(const Need& need, const Route& route) {
    const auto& [backend, fixed_mac, same_segment] = need;
    Place place;
    std::size_t port = 0;
    const auto leaves_by = [&](const Interface* facing) {
        return facing != nullptr && facing->index != 0 && facing->index == route.interface_index;
    };
    while (port < ports_.size() && !leaves_by(port_interfaces_.facing(port))) {
        ++port;
    }
    if (port == ports_.size()) {
        place.resolution.problem =
            "the route to " + text_of(backend) + " leaves by an interface that is no [[port]]";
        return place;
    }
    if (route.gateway && same_segment) {
        place.resolution.problem =
            text_of(backend) + " is behind the gateway " + text_of(*route.gateway) +
            ", and l2 reaches only the port's own segment; use a tunnel (ipip, gue, gre)";
        return place;
    }
    if (!same_segment && route.source) {
        place.vote = {port, backend.is_v4(), {*route.source, names_source(backend, route)}};
    }
    const PortIndex index{static_cast<std::uint8_t>(port)};
    if (fixed_mac) {
        place.resolution.link = publish::Link{{*fixed_mac}, index};
        return place;
    }
    place.hop = NextHop{route.interface_index, route.gateway.value_or(backend)};
    hops_.need(*place.hop);
    place.resolution = resolve_neighbor(index, *place.hop);
    return place;
}

bool NeighborTable::names_source(const IpAddress& backend, const Route& route) {
    if (!route.names_source) {
        const std::optional<Route> as_set = kernel_->route_as_set(backend);
        routes_.set_names_source(backend,
                                 as_set && !as_set->is_of_kernel && as_set->source == route.source);
    }
    return *(*routes_.find(backend))->names_source;
}

std::optional<Resolution> NeighborTable::resolve_on_vdev(const Need& need) const {
    const auto& [backend, fixed_mac, same_segment] = need;
    const bool any_interface = std::any_of(ports_.begin(), ports_.end(), has_kernel_interface);
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const conf::PortConfig& port = ports_[i];
        if (has_kernel_interface(port)) {
            continue;
        }
        const PortIndex index{static_cast<std::uint8_t>(i)};
        const bool on_link = std::any_of(
            port.addresses.begin(),
            port.addresses.end(),
            [&, address = backend](const auto& prefix) { return contains(prefix, address); });
        if (fixed_mac && (on_link || !any_interface)) {
            return Resolution{publish::Link{{*fixed_mac}, index}, ""};
        }
        if (on_link) {
            return Resolution{std::nullopt,
                              text_of(backend) + " is on the link of port " + port.name +
                                  ", where nothing can be learned: give the backend its mac"};
        }
        if (port.gateway_mac && !any_interface && !same_segment) {
            return Resolution{publish::Link{*port.gateway_mac, index}, ""};
        }
    }
    if (any_interface) {
        return std::nullopt;
    }
    return Resolution{std::nullopt,
                      "no port reaches " + text_of(backend) +
                          ": give a [[port]] an address in its network" +
                          (same_segment ? "" : ", or gateway and gateway_mac")};
}

Resolution NeighborTable::resolve_neighbor(PortIndex port, const NextHop& hop) const {
    const NextHops::Known& known = *hops_.find(hop);
    const Watched& watched = known.watched;
    const std::string where =
        text_of(hop.address) + " on " +
        port_interfaces_.facing(static_cast<std::size_t>(to_number(port)))->name;
    if (known.is_lost) {
        return {std::nullopt,
                "no answer from " + where + " for " + std::to_string(kLostAfter.count()) +
                    " s; see `ip neigh show " + text_of(hop.address) + "`",
                true};
    }
    if (watched.has_mac()) {
        return {publish::Link{*watched.entry->mac, port}, ""};
    }
    const bool is_failed = watched.entry && watched.entry->state == Reachability::kFailed;
    return {std::nullopt,
            (is_failed ? "no answer from " : "waiting for the MAC address of ") + where +
                (known.refused.empty() ? "" : "; " + known.refused)};
}

std::optional<std::chrono::seconds> NeighborTable::confirmed_ago(
    const IpAddress& backend, const std::optional<MacAddress>& fixed_mac, bool same_segment) const {
    const auto found = places_.find(need_of(backend, fixed_mac, same_segment));
    const NextHops::Known* const known =
        found == places_.end() || !found->second.hop ? nullptr : hops_.find(*found->second.hop);
    if (known == nullptr || !known->watched.has_mac() || known->watched.is_permanent()) {
        return std::nullopt;
    }
    return std::chrono::duration_cast<std::chrono::seconds>(Clock::now() -
                                                            known->watched.entry->confirmed);
}

KernelTraffic NeighborTable::traffic() const {
    return {kernel_->route_queries(), kernel_->neighbor_queries(), rereads_};
}

}  // namespace fairlead::neighbor
