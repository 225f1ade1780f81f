#include "dp/engine/interface_port.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include <bpf/bpf.h>

#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/base/shell_word.h"
#include "dp/engine/packet_memory.h"

namespace fairlead::engine {
namespace {

using shm::bit_of;
using shm::PortCondition;

// The sockets of an engine that was killed may take a moment to leave their queues.
constexpr auto kWaitForOthers = std::chrono::seconds(3);
constexpr auto kTryWhileBusy = std::chrono::milliseconds(5);
// An interface that has come back, and refuses.
constexpr auto kTryAgain = std::chrono::seconds(1);

Status check_mtu(const std::string& name, const InterfaceFacts& facts, std::uint32_t limit_bytes) {
    if (facts.mtu_bytes <= limit_bytes) {
        return {};
    }
    return fail(fmt::format(
        "the MTU of {} is {}, and the engine's buffers take {}: `ip link set {} mtu {}`",
        name,
        facts.mtu_bytes,
        limit_bytes,
        shell_word(name),
        limit_bytes));
}

// A worker without a queue could not send by this port.
Status check_queues(const std::string& name, const InterfaceFacts& facts, std::uint32_t workers) {
    if (facts.receive_queues >= workers) {
        return {};
    }
    return fail(
        fmt::format("the interface {} has {} receive queues and [engine] cpus names {} workers; "
                    "each worker polls one queue at least: name {} CPUs, or `ethtool -L {} "
                    "combined {}` (where queues are counted apart: `rx {} tx {}`)",
                    name,
                    facts.receive_queues,
                    workers,
                    facts.receive_queues,
                    shell_word(name),
                    workers,
                    workers,
                    workers));
}

}  // namespace

InterfacePort::InterfacePort(const PortOptions& options,
                             std::uint32_t number,
                             const PortSetup& setup)
    : Port(options),
      pools_(setup.pools.begin(), setup.pools.end()),
      vips_(setup.vips),
      pin_directory_(setup.pin_directory),
      number_(number),
      mtu_limit_bytes_(setup.mtu_limit_bytes),
      polls_busily_(setup.idle == Idle::kSpin),
      name_(options.interface),
      offers_(setup.pools.size()) {
    for (std::size_t worker = 0; worker < pools_.size(); ++worker) {
        worker_ports_.emplace_back();
    }
    if (number < setup.steerings.size()) {
        steering_ = std::exchange(setup.steerings[number], std::nullopt);
    }
}

InterfacePort::~InterfacePort() = default;

Result<std::unique_ptr<Port>> InterfacePort::open(const PortOptions& options,
                                                  std::uint32_t number,
                                                  const PortSetup& setup) {
    std::unique_ptr<InterfacePort> port(new InterfacePort(options, number, setup));
    const Clock::time_point deadline = Clock::now() + kWaitForOthers;
    for (;;) {
        bool is_busy = false;
        const Status opened = port->try_open(is_busy);
        if (opened) {
            return std::unique_ptr<Port>(std::move(port));
        }
        if (!is_busy || Clock::now() > deadline) {
            return fail(fmt::format("port {}: {}", options.name, opened.error().message));
        }
        std::this_thread::sleep_for(kTryWhileBusy);
    }
}

std::string InterfacePort::find_name() {
    std::string name = held_ == 0 ? "" : interface_name(held_);
    if (name.empty()) {
        held_ = 0;
        return options().interface;
    }
    return name;
}

Status InterfacePort::try_open(bool& is_busy) {
    const Result<InterfaceFacts> facts = look_at_interface(find_name());
    if (!facts) {
        return Unexpected{facts.error()};
    }
    if (held_ != 0 && facts->index != held_) {
        is_busy = true;
        return fail("its interface has got another name in this very moment");
    }
    facts_ = *facts;
    name_ = interface_name(facts->index);
    if (!facts->is_up) {
        return fail(
            fmt::format("the interface {} is down; `ip link set {} up`", name_, shell_word(name_)));
    }
    for (Status fits : {check_mtu(name_, *facts, mtu_limit_bytes_),
                        check_queues(name_, *facts, worker_count())}) {
        if (!fits) {
            return fits;
        }
    }
    if (facts->strips_vlan_tags && !keep_vlan_tags(name_) && options().vlan != 0) {
        return fail(
            fmt::format("the interface {} takes VLAN tags off before the steering program could "
                        "see VLAN {}, and does not let them be; `ethtool -K {} rxvlan off`",
                        name_,
                        options().vlan,
                        shell_word(name_)));
    }
    if (Status attached = attach_steering(); !attached) {
        return attached;
    }
    if (Status opened = open_sockets(*facts, is_busy); !opened) {
        sockets_.clear();
        return opened;
    }
    index_ = facts->index;
    held_ = index_;
    ++opens_;
    offer_sockets();
    return {};
}

Status InterfacePort::attach_steering() {
    if (!steering_) {
        Result<SteerLoader> loaded = SteerLoader::load(*vips_, pin_directory_, options().interface);
        if (!loaded) {
            return Unexpected{loaded.error()};
        }
        steering_ = std::move(*loaded);
    }
    tell_steering();  // before it is attached, so that no packet for a VIP gets past it
    const Result<SteerLoader::Mode> mode = steering_->attach(facts_.index);
    if (!mode) {
        return Unexpected{mode.error()};
    }
    presence_ = steering_->presence(facts_.index);
    if (presence_.is_there && !presence_.is_native) {
        log_warning("port-is-slow",
                    {{"port", options().name},
                     {"interface", name_},
                     {"reason", "its driver has no XDP; the kernel's generic hook is used"}});
    }
    return {};
}

Status InterfacePort::open_sockets(const InterfaceFacts& facts, bool& is_busy) {
    // A worker's sockets share what there is for its queue.
    const std::uint32_t sockets_a_worker =
        (facts.receive_queues + worker_count() - 1) / worker_count();
    for (std::uint32_t queue = 0; queue < facts.receive_queues; ++queue) {
        const XdpSocketSetup setup{
            .interface = name_,
            .queue = queue,
            .number = static_cast<std::uint16_t>(XdpSocket::kFirstNumber +
                                                 number_ * STEER_MAX_QUEUES + queue),
            .pool = pools_[queue % worker_count()],
            .receive_buffers = std::max(XdpSocket::kRingEntries / sockets_a_worker,
                                        XdpSocket::kLeastReceiveBuffers),
            .polls_busily = polls_busily_};
        auto socket = XdpSocket::open(setup);
        if (!socket) {
            is_busy = socket.error() == EBUSY;
            if (socket.error() == EINVAL && setup.pool.large != nullptr) {
                return fail(
                    fmt::format("packets of several frames are not there on {} (Linux 6.6, and a "
                                "driver that has them): `ip link set {} mtu {}`",
                                name_,
                                shell_word(name_),
                                kMaxFrameMtuBytes));
            }
            return fail(fmt::format("the AF_XDP socket for queue {} of {} cannot be opened: {}",
                                    queue,
                                    name_,
                                    error_text(socket.error())));
        }
        const int descriptor = (*socket)->descriptor();
        if (bpf_map_update_elem(steering_->sockets_fd(), &queue, &descriptor, BPF_ANY) != 0) {
            return fail(fmt::format("queue {} of {} cannot be steered to its socket: {}",
                                    queue,
                                    name_,
                                    error_text(errno)));
        }
        sockets_.push_back(std::move(*socket));
    }
    return {};
}

void InterfacePort::offer_sockets() {
    for (std::uint32_t worker = 0; worker < worker_count(); ++worker) {
        XdpQueues& offer = offers_[worker];
        offer.sockets.clear();
        for (std::size_t queue = worker; queue < sockets_.size(); queue += worker_count()) {
            offer.sockets.push_back(sockets_[queue].get());
        }
        worker_ports_[worker].offer(&offer);
    }
    const XdpSocket& first = *sockets_.front();
    const bool is_deferred = first.polls_busily() && deferral_.begin(name_, index_);
    log_info("port-open",
             {{"port", options().name},
              {"interface", name_},
              {"index", index_},
              {"queues", sockets_.size()},
              {"xdp", presence_.is_native ? "native" : "generic"},
              {"zero_copy", first.is_zero_copy()},
              {"busy_polling", first.polls_busily()},
              {"interrupts_deferred", is_deferred}});
}

void InterfacePort::take_sockets_back() {
    for (WorkerPort& port : worker_ports_) {
        port.offer(nullptr);
    }
    is_taking_back_ = true;
}

void InterfacePort::close_sockets() {
    const Readings counted = read();
    sockets_.clear();
    deferral_.end();
    closed_ = counted;
    index_ = 0;
    // Loaded anew, too: a veth runs a program on those queues alone that were there when it came,
    // and the kernel takes the same program twice for no change.
    steering_.reset();
    told_.reset();
}

void InterfacePort::turn(Clock::time_point now) {
    if (is_taking_back_) {
        if (std::ranges::any_of(worker_ports_, &WorkerPort::is_held)) {
            return;
        }
        is_taking_back_ = false;
        close_sockets();
    }
    if (index_ != 0 || now < next_try_) {
        return;
    }
    bool is_busy = false;
    const Status opened = try_open(is_busy);
    if (opened) {
        open_problem_.clear();
        return;
    }
    next_try_ = now + (is_busy ? Clock::duration(kTryWhileBusy) : Clock::duration(kTryAgain));
    if (!is_busy && open_problem_ != opened.error().message) {
        open_problem_ = opened.error().message;
        log_warning("port-not-open", {{"port", options().name}, {"reason", open_problem_}});
    }
}

void InterfacePort::keep_tags() {
    const bool took_them_off = facts_.strips_vlan_tags;
    if (took_them_off) {
        facts_.strips_vlan_tags = !keep_vlan_tags(name_) || has_taken_tags_off_;
    }
    has_taken_tags_off_ = took_them_off;
}

void InterfacePort::watch(Clock::time_point now) {
    name_ = find_name();
    const Result<InterfaceFacts> found = look_at_interface(name_);
    if (held_ != 0 && (!found || found->index != held_)) {
        const std::string now_called = interface_name(held_);
        if (!now_called.empty() && now_called != name_) {
            return;  // it was renamed in this very moment
        }
    }
    facts_ = found ? *found : InterfaceFacts{};
    if (index_ != 0 && !is_taking_back_) {
        const bool is_deaf =
            facts_.index != index_ ||
            !std::ranges::all_of(sockets_, [](const auto& socket) { return socket->is_bound(); });
        const bool has_more_queues = !is_deaf && facts_.receive_queues > sockets_.size();
        if (is_deaf || has_more_queues) {
            log_warning("port-reopens",
                        {{"port", options().name},
                         {"reason",
                          has_more_queues ? "the interface has more queues"
                                          : "the interface has gone or was made anew"}});
            if (is_deaf) {
                held_ = 0;
            }
            take_sockets_back();
            next_try_ = now;
        }
    }
    if (index_ == 0 && facts_.index != 0 && open_problem_.empty()) {
        next_try_ = now;  // it has come back
    }
    if (index_ != 0 && facts_.index == index_) {
        tell_steering();
        keep_tags();
        presence_ = steering_->presence(index_);
        if (!presence_.is_there && steering_->attach(index_)) {
            presence_ = steering_->presence(index_);
            log_warning("steering-restored", {{"port", options().name}, {"interface", name_}});
        }
    } else {
        presence_ = {};
    }
    set_conditions(look_for_conditions(facts_));
}

std::uint64_t InterfacePort::look_for_conditions(const InterfaceFacts& facts) {
    if (facts.index == 0) {
        return bit_of(PortCondition::kInterfaceGone);
    }
    std::uint64_t found = 0;
    const auto add = [&found](bool is_so, PortCondition condition) {
        found |= is_so ? bit_of(condition) : 0;
    };
    const bool is_open = index_ != 0 && !is_taking_back_;
    add(!facts.is_up, PortCondition::kAdminDown);
    add(facts.is_up && !facts.has_link, PortCondition::kNoCarrier);
    add(facts.is_up && !is_open, PortCondition::kNotOpen);
    add(facts.mtu_bytes > mtu_limit_bytes_, PortCondition::kMtuTooLarge);
    add(facts.receive_queues < worker_count(), PortCondition::kQueueUnpolled);
    add(is_open && facts.strips_vlan_tags, PortCondition::kTagsTakenOff);
    add(is_open && !presence_.is_there, PortCondition::kProgramGone);
    return found;
}

void InterfacePort::set_conditions(std::uint64_t conditions) {
    for (std::size_t i = 0; i < shm::kPortConditionCount; ++i) {
        const std::uint64_t bit = bit_of(static_cast<PortCondition>(i));
        if (((conditions ^ conditions_) & bit) == 0) {
            continue;
        }
        if ((conditions & bit) != 0) {
            log_warning("port-condition",
                        {{"port", options().name},
                         {"interface", name_},
                         {"condition", shm::kPortConditionTexts.at(i).metric}});
        } else {
            log_info("port-condition-over",
                     {{"port", options().name},
                      {"interface", name_},
                      {"condition", shm::kPortConditionTexts.at(i).metric}});
        }
    }
    conditions_ = conditions;
}

void InterfacePort::set_virtual_macs(const VirtualMacs& macs) {
    virtual_macs_ = macs.words;
    if (index_ != 0 && facts_.index == index_) {
        tell_steering();
    }
}

void InterfacePort::tell_steering() {
    const Told now{facts_.mac.bytes, virtual_macs_};
    if (told_ != now && steering_->set_interface(now.mac, options().vlan, now.virtual_macs)) {
        told_ = now;
    }
}

Port::Readings InterfacePort::read() const {
    Readings sum = closed_;
    for (const auto& socket : sockets_) {
        const XdpSocket::Counters& counted = socket->counters();
        const XdpSocket::Losses lost = socket->losses();
        sum.receive_packets += counted.receive_packets.get();
        sum.receive_bytes += counted.receive_bytes.get();
        sum.transmit_packets += counted.transmit_packets.get();
        sum.transmit_bytes += counted.transmit_bytes.get();
        sum.losses.dropped += lost.dropped;
        sum.losses.ring_full += lost.ring_full;
        sum.losses.invalid += lost.invalid;
        sum.losses.transmit_invalid += lost.transmit_invalid;
    }
    sum.receive_missed = sum.losses.dropped + sum.losses.ring_full;
    sum.receive_errors = sum.losses.invalid;
    sum.transmit_errors = sum.losses.transmit_invalid;
    return sum;
}

bool InterfacePort::has_link() const {
    return facts_.is_up && facts_.has_link && index_ != 0;
}

void InterfacePort::describe(shm::PortTelemetry& block) const {
    block.conditions.set(conditions_);
    block.interface.set(name_);
    block.interface_index.set(facts_.index);
    block.mtu_bytes.set(facts_.mtu_bytes);
    block.mtu_limit_bytes.set(mtu_limit_bytes_);
    block.receive_queues.set(facts_.index == 0 ? 0 : facts_.receive_queues);
    const shm::PortXdpMode mode = !presence_.is_there   ? shm::PortXdpMode::kNone
                                  : presence_.is_native ? shm::PortXdpMode::kNative
                                                        : shm::PortXdpMode::kGeneric;
    block.xdp_mode.set(static_cast<std::uint64_t>(mode));
    block.is_zero_copy.set(!sockets_.empty() && sockets_.front()->is_zero_copy() ? 1 : 0);
    block.opens.set(opens_);
    if (!steering_) {
        return;
    }
    // Pinned: they count on without an engine.
    if (const Result<SteerCounters> counters = steering_->counters(); counters) {
        block.kernel_packets.set(counters->at(STEER_KERNEL));
        block.no_socket_packets.set(counters->at(STEER_NO_SOCKET));
        block.away_packets.set(counters->at(STEER_AWAY));
        block.no_room_packets.set(counters->at(STEER_NO_ROOM));
    }
}

void InterfacePort::stop_receiving() {
    for (std::uint32_t queue = 0; queue < sockets_.size(); ++queue) {
        (void)bpf_map_delete_elem(steering_->sockets_fd(), &queue);
    }
}

void InterfacePort::close() {
    for (WorkerPort& port : worker_ports_) {
        port.offer(nullptr);
    }
    sockets_.clear();
    deferral_.end();
}

}  // namespace fairlead::engine
