// What should be in force, turned into what is in the `tables` segment.
//
// The publisher owns the segment's writer side: it gives services and backends their numbers,
// builds the rings that changed, fills free slots, flips the root, and reuses a slot only when no
// live worker can still see it (dp/shm/tables.h, T1 to T5). It finds a predecessor's segment as it
// was left and goes on from there.
//
// Steps. There are kSpareRings more ring slots than services, so a change of more rings than that
// is published in steps, each a generation of its own: as many as have slots, then, when the
// workers have acknowledged it, as many more. The same holds for backend indices and service
// numbers, for a ring for which there is no memory, and for more rings than can be built in
// kBuildFor. A service that waits keeps the ring that it had, and none of its backends loses its
// index; words - health, links, admission - never wait. Rings that take a backend out come first.
//
// Thread: one, the daemon's loop. publish() neither blocks nor waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/prefix/prefix_table.h"
#include "dp/base/ids.h"
#include "dp/base/result.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"
#include "dp/shm/tables.h"

namespace fairlead::publish {

struct Link {
    MacAddress mac;
    PortIndex port{};  // by its place in DesiredTables::ports
    friend bool operator==(const Link&, const Link&) = default;
};

// (service, name, address) is a backend's identity: the same keeps its index, another gets a new
// one.
struct DesiredBackend {
    std::string name;
    IpAddress address;
    std::uint32_t ring_weight = 0;  // share of the ring; 0: no new flows
    bool admits_new = false;
    bool keeps_flows = false;
    bool is_taken_out = false;  // by what was seen of it, and another one takes new flows
    std::optional<Link> link;   // nullopt: not known; what was published last stays, unless:
    bool is_link_lost = false;  // nothing is sent to it
    std::uint32_t health = 0;   // kept for the next daemon, not looked at
    std::int64_t health_since_ns = 0;
    std::uint32_t path_mtu_bytes = shm::kNoPathMtu;
};

// When a service wants pings of its VIP answered.
enum class EchoPolicy : std::uint8_t {
    kWhenUp,  // while its ring has a backend
    kAlways,
    kNever
};

struct DesiredService {
    std::string name;
    IpAddress vip;
    std::uint16_t port = 0;               // 0: any
    std::uint16_t last_port = 0;          // of a range, where `port` is the first; 0: of no range
    std::uint8_t protocol = 0;            // IPPROTO_TCP or IPPROTO_UDP
    std::uint8_t source_prefix_bits = 0;  // as in shm::ServiceRecord
    shm::ForwardingMode mode = shm::ForwardingMode::kL2;
    // Of the VIP: services that share it are asked all, and one that would answer, or reject, is
    // enough.
    EchoPolicy echo = EchoPolicy::kWhenUp;
    bool rejects_unmatched = false;
    prefix::Lists sources;                   // whom it serves
    std::uint32_t packets_per_second = 0;    // 0: any number
    std::uint32_t new_flows_per_second = 0;  // of one source; 0: any number
    std::vector<DesiredBackend> backends;
};

struct DesiredPort {
    std::string name;
    MacAddress mac;
    VirtualMacs virtual_macs;  // its frames too
    std::uint32_t mtu_bytes = 1500;
    std::uint16_t vlan = 0;      // 0: untagged
    IpAddress tunnel_source_v4;  // :: where there is none
    IpAddress tunnel_source_v6;
    // Where the bits behind a prefix are the flow hash's; :: and 0 where there is none.
    struct TunnelPrefix {
        IpAddress address;
        std::uint8_t length = 0;
        friend bool operator==(const TunnelPrefix&, const TunnelPrefix&) = default;
    };
    TunnelPrefix tunnel_prefix;
    friend bool operator==(const DesiredPort&, const DesiredPort&) = default;
};

struct DesiredTables {
    std::uint64_t flow_hash_seed = 0;
    std::vector<DesiredPort> ports;  // in any order: the tables number them by their names
    std::vector<DesiredService> services;
};

// Who must have moved on before a slot is used again.
class Acknowledgements {
  public:
    Acknowledgements() = default;
    virtual ~Acknowledgements() = default;
    Acknowledgements(const Acknowledgements&) = delete;
    Acknowledgements& operator=(const Acknowledgements&) = delete;
    static constexpr std::uint64_t kNoEngine = std::numeric_limits<std::uint64_t>::max();
    // The lowest generation that a live worker has acknowledged; kNoEngine where no engine lives.
    [[nodiscard]] virtual std::uint64_t lowest() = 0;
    // Whether a live engine may read a `tables` file: false where none lives, or where it says that
    // it has found none that fits.
    [[nodiscard]] virtual bool follows_tables() { return lowest() != kNoEngine; }
    // The worker that holds it back, for messages: "worker 3".
    [[nodiscard]] virtual std::string slowest() = 0;
};

// Totals over all workers of one backend index, from `telemetry`; the publisher notes them as the
// baseline of a backend that gets a used index.
struct CounterTotals {
    std::uint64_t instance = 0;  // of `telemetry`; 0: there is none
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t new_flows = 0;
};
class CounterSource {
  public:
    CounterSource() = default;
    virtual ~CounterSource() = default;
    CounterSource(const CounterSource&) = delete;
    CounterSource& operator=(const CounterSource&) = delete;
    [[nodiscard]] virtual CounterTotals totals(BackendIndex index) = 0;
};

// What the segment tells a new daemon of what its predecessor served: not trusted, but bounded.
struct KnownService {
    std::string name;
    IpAddress vip;
    std::uint16_t port = 0;  // this and the rest as in DesiredService
    std::uint16_t last_port = 0;
    std::uint8_t protocol = 0;
    std::uint8_t source_prefix_bits = 0;
    shm::ForwardingMode mode{};
};
struct KnownBackend {
    std::string service;
    std::string name;
    IpAddress address;
    std::uint32_t health = 0;
    std::int64_t health_since_ns = 0;
    bool keeps_flows = true;
};

struct KnownPort {
    std::string name;
    IpAddress tunnel_source_v4;  // :: where it had none
    IpAddress tunnel_source_v6;
};

struct Known {
    std::vector<KnownService> services;
    std::vector<KnownBackend> backends;
    std::vector<KnownPort> ports{};
};

// The place of a backend, and its counters since it got that place.
struct Placement {
    BackendIndex index = kNoBackendIndex;
    CounterTotals baseline;  // subtract it from today's totals where the instance is the same
};

// What came of publish().
struct Published {
    std::uint64_t generation = 0;  // in force; the one before where only words changed, or nothing
    std::size_t waiting = 0;       // services and backends that a later step brings
    std::size_t short_of_memory = 0;  // of these, services for whose rings there is none
    std::string why;  // what they wait for, for people; "" where another call is all that is needed

    [[nodiscard]] bool is_whole() const noexcept { return waiting == 0; }
    // Whether the next call brings more, as far as memory goes.
    [[nodiscard]] bool has_next_step() const noexcept { return waiting > short_of_memory; }
};

// A ring for which the run directory has no room: waits, the rest is put in force; or nothing is.
enum class Shortage : std::uint8_t {
    kWait,
    kRefuse
};

class PublisherState;

class Publisher {
  public:
    // For how long rings are built in one step at least, unless nobody follows the tables yet.
    static constexpr std::chrono::milliseconds kBuildFor{10};
    // The same while a worker has not acknowledged the step before.
    static constexpr std::chrono::milliseconds kBuildForLate{100};

    // Takes over the segment in `run_dir`, or makes one. Errors: another lbd lives there; a segment
    // of another layout that a live engine still maps. `acknowledgements` and `counters` must
    // outlive it.
    [[nodiscard]] static Result<std::unique_ptr<Publisher>> open(const std::string& run_dir,
                                                                 std::string_view version,
                                                                 Acknowledgements& acknowledgements,
                                                                 CounterSource& counters);
    ~Publisher();
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;

    // Puts `desired` in force, or the next step of it. Error: no free snapshot or prefix table (the
    // message names the worker that holds it), no memory for them or, by Shortage::kRefuse, for a
    // ring (the message says how much), a capacity exceeded, services that cannot be told apart;
    // then nothing changed.
    [[nodiscard]] Result<Published> publish(const DesiredTables& desired,
                                            Shortage shortage = Shortage::kWait);

    [[nodiscard]] std::uint64_t generation() const;
    // Of the segment.
    [[nodiscard]] std::uint64_t instance() const;
    // False once somebody has removed, replaced or cut the file: what is published is then seen by
    // an engine that has mapped it already, at most.
    [[nodiscard]] bool is_current() const;
    // False once somebody has cut it: what stood behind reads as zeros, for the engine too.
    [[nodiscard]] bool is_whole() const;
    // What stood in the segment when it was opened.
    [[nodiscard]] const Known& known() const;
    [[nodiscard]] std::optional<Placement> placement(std::string_view service,
                                                     std::string_view name,
                                                     const IpAddress& address) const;
    // The port that the tables mean by this number; "" where it is none.
    [[nodiscard]] std::string port_name(PortIndex number) const;
    [[nodiscard]] std::optional<ServiceId> service_id(std::string_view service) const;
    [[nodiscard]] std::uint32_t fingerprint(std::string_view service) const;  // 0: empty ring
    // Source prefixes in force, of shm::kMaxPrefixes.
    [[nodiscard]] std::size_t prefix_count() const;
    // Slots of the service's ring whose owner changed, added up since this daemon started.
    [[nodiscard]] std::uint64_t moved_entries(std::string_view service) const;

  private:
    explicit Publisher(std::unique_ptr<PublisherState> state);
    std::unique_ptr<PublisherState> state_;
};

}  // namespace fairlead::publish
