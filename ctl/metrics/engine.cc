// The engine's workers and ports, as its `telemetry` tells.
#include <algorithm>
#include <array>
#include <cstring>

#include "ctl/metrics/exporter.h"
#include "dp/shm/port_condition.h"

namespace fairlead::metrics {
namespace {

struct WorkerFamily {
    std::string_view name;
    Type type;
    std::string_view help;
    shm::Counter shm::WorkerBlock::*counter;
};

constexpr auto kWorkerFamilies = std::to_array<WorkerFamily>({
    {"fairlead_flow_entries",
     Type::kGauge,
     "Flows in the worker's table.",
     &shm::WorkerBlock::flow_entries},
    {"fairlead_flow_capacity",
     Type::kGauge,
     "Flows that the worker's table can hold.",
     &shm::WorkerBlock::flow_capacity},
    {"fairlead_flow_insert_failures_total",
     Type::kCounter,
     "Flows that found no room in the table and go by the ring alone.",
     &shm::WorkerBlock::flow_insert_failures},
    {"fairlead_flow_skipped_searches_total",
     Type::kCounter,
     "Packets of unknown flows that went by the ring without a look into the other workers' "
     "tables, "
     "as there were too many.",
     &shm::WorkerBlock::flow_searches_skipped},
    {"fairlead_source_evictions_total",
     Type::kCounter,
     "Sources whose new flows were forgotten early, to make room for others.",
     &shm::WorkerBlock::source_evictions},
    {"fairlead_held_packets_total",
     Type::kCounter,
     "Fragments that had to wait for the first one of their datagram.",
     &shm::WorkerBlock::held_packets},
    {"fairlead_cut_packets_total",
     Type::kCounter,
     "IPv4 packets that were cut, as they were larger than the path to their backend.",
     &shm::WorkerBlock::cut_packets},
    {"fairlead_worker_packets_total",
     Type::kCounter,
     "Packets that the worker received.",
     &shm::WorkerBlock::packets},
});

struct FlowStateFamily {
    std::string_view name;
    Type type;
    std::string_view help;
    std::array<shm::Counter, kFlowStateCodes> shm::WorkerBlock::*counters;
    std::span<const FlowState> states;  // that can occur
};

constexpr std::array kTrackedStates{
    FlowState::kUnproven, FlowState::kEstablished, FlowState::kClosing, FlowState::kDatagram};
constexpr std::array kStatesWithQuota{FlowState::kUnproven, FlowState::kDatagram};
constexpr std::array kEvictedStates{FlowState::kUnproven, FlowState::kClosing};

constexpr auto kFlowStateFamilies = std::to_array<FlowStateFamily>({
    {"fairlead_flow_state_entries",
     Type::kGauge,
     "Flows in the worker's table, by state.",
     &shm::WorkerBlock::flow_states,
     kTrackedStates},
    {"fairlead_flow_quota",
     Type::kGauge,
     "Flows of this state that the worker's table takes at most.",
     &shm::WorkerBlock::flow_quota,
     kStatesWithQuota},
    {"fairlead_flow_quota_refusals_total",
     Type::kCounter,
     "Flows that met the quota: an unproven one that took another's place or goes by the ring, a "
     "datagram flow that stays unproven.",
     &shm::WorkerBlock::flow_quota_refusals,
     kStatesWithQuota},
    {"fairlead_flow_evictions_total",
     Type::kCounter,
     "Flows that made room for others before their time, by state.",
     &shm::WorkerBlock::flow_evictions,
     kEvictedStates},
    {"fairlead_flow_expirations_total",
     Type::kCounter,
     "Flows that have idled for as long as their state allows.",
     &shm::WorkerBlock::flow_expired,
     kTrackedStates},
});

struct PortFamily {
    std::string_view name;
    Type type;
    std::string_view help;
    shm::Counter shm::PortTelemetry::*counter;
};

constexpr auto kPortFamilies = std::to_array<PortFamily>({
    {"fairlead_port_up", Type::kGauge, "Whether the link is up.", &shm::PortTelemetry::is_up},
    {"fairlead_port_receive_packets_total",
     Type::kCounter,
     "Packets received.",
     &shm::PortTelemetry::receive_packets},
    {"fairlead_port_receive_bytes_total",
     Type::kCounter,
     "Bytes received.",
     &shm::PortTelemetry::receive_bytes},
    {"fairlead_port_receive_missed_packets_total",
     Type::kCounter,
     "Packets that the NIC dropped as no worker took them in time.",
     &shm::PortTelemetry::receive_missed_packets},
    {"fairlead_port_receive_dropped_packets_total",
     Type::kCounter,
     "Of the missed packets: those for which there was no buffer, or none large enough.",
     &shm::PortTelemetry::receive_dropped},
    {"fairlead_port_receive_ring_full_packets_total",
     Type::kCounter,
     "Of the missed packets: those that found their ring full, as its worker was late.",
     &shm::PortTelemetry::receive_ring_full},
    {"fairlead_port_receive_invalid_buffers_total",
     Type::kCounter,
     "Buffers to receive into that the kernel refused.",
     &shm::PortTelemetry::receive_invalid},
    {"fairlead_port_transmit_invalid_packets_total",
     Type::kCounter,
     "Packets to send that the kernel refused.",
     &shm::PortTelemetry::transmit_invalid},
    {"fairlead_port_receive_errors_total",
     Type::kCounter,
     "Packets received broken.",
     &shm::PortTelemetry::receive_errors},
    {"fairlead_port_transmit_packets_total",
     Type::kCounter,
     "Packets sent.",
     &shm::PortTelemetry::transmit_packets},
    {"fairlead_port_transmit_bytes_total",
     Type::kCounter,
     "Bytes sent.",
     &shm::PortTelemetry::transmit_bytes},
    {"fairlead_port_transmit_errors_total",
     Type::kCounter,
     "Packets that could not be sent.",
     &shm::PortTelemetry::transmit_errors},
    {"fairlead_port_kernel_packets_total",
     Type::kCounter,
     "Packets not for a VIP, left to the kernel by the steering program.",
     &shm::PortTelemetry::kernel_packets},
    {"fairlead_port_no_socket_packets_total",
     Type::kCounter,
     "Packets for a VIP, dropped by the steering program because no engine polled.",
     &shm::PortTelemetry::no_socket_packets},
    {"fairlead_port_away_packets_total",
     Type::kCounter,
     "Packets for a VIP, sent to their backends by the steering program while no engine polled.",
     &shm::PortTelemetry::away_packets},
    {"fairlead_port_no_room_packets_total",
     Type::kCounter,
     "Packets for a VIP, dropped by the steering program, which has room for 64 services, while "
     "no engine polled.",
     &shm::PortTelemetry::no_room_packets},
});

// 0 or 1 for each condition that a port may have (dp/shm/port_condition.h).
void write_conditions(TextWriter& out,
                      std::span<const shm::PortTelemetry> ports,
                      const std::vector<std::string>& labels) {
    out.family("fairlead_port_condition",
               Type::kGauge,
               "Whether something is wrong with the port, by condition; `lbctl status` says what "
               "to do.");
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const std::uint64_t conditions = ports[i].conditions.get();
        for (std::size_t bit = 0; bit < shm::kPortConditionCount; ++bit) {
            out.sample(labels[i],
                       "," + label("condition", shm::kPortConditionTexts[bit].metric),
                       std::uint64_t{conditions >> bit & 1U});
        }
    }
}

std::string worker_labels(std::size_t index) {
    return "{worker=\"" + std::to_string(index) + "\"";
}

void write_stalls(TextWriter& out, const daemon::EngineWatch& watch, std::size_t workers) {
    out.family("fairlead_worker_stalled",
               Type::kGauge,
               "Whether the worker stands still: what its queues receive is lost.");
    for (std::size_t i = 0; i < workers; ++i) {
        out.sample(worker_labels(i), "", watch.is_worker_stalled(i));
    }
    out.family("fairlead_engine_control_stalled",
               Type::kGauge,
               "Whether the engine's control thread stands still: no change reaches its workers.");
    out.sample("", "", watch.is_control_stalled());
}

void write_flow_states(TextWriter& out, std::span<const shm::WorkerBlock> workers) {
    for (const FlowStateFamily& family : kFlowStateFamilies) {
        out.family(family.name, family.type, family.help);
        for (std::size_t i = 0; i < workers.size(); ++i) {
            for (const FlowState state : family.states) {
                const auto index = static_cast<std::size_t>(state);
                out.sample(worker_labels(i),
                           "," + label("state", kFlowStateNames[index]),
                           (workers[i].*family.counters)[index].get());
            }
        }
    }
}

void write_lookups(TextWriter& out, std::span<const shm::WorkerBlock> workers) {
    out.family("fairlead_flow_lookups_total",
               Type::kCounter,
               "Lookups in the flow table, by result; adopted: found in another worker's.");
    for (std::size_t i = 0; i < workers.size(); ++i) {
        out.sample(worker_labels(i), ",result=\"hit\"", workers[i].flow_hits.get());
        out.sample(worker_labels(i), ",result=\"miss\"", workers[i].flow_misses.get());
        out.sample(worker_labels(i), ",result=\"adopted\"", workers[i].flow_adopted.get());
    }
}

// The balancer's own answers.
void write_replies(TextWriter& out, std::span<const shm::WorkerBlock> workers) {
    using Counters = std::array<shm::Counter, kReplyKindCount>;
    const auto write =
        [&](std::string_view name, std::string_view help, Counters shm::WorkerBlock::*counters) {
            out.family(name, Type::kCounter, help);
            for (std::size_t kind = 1; kind < kReplyKindCount; ++kind) {
                std::uint64_t total = 0;
                for (const shm::WorkerBlock& worker : workers) {
                    total += (worker.*counters)[kind].get();
                }
                out.sample("{" + label("kind", kReplyKindNames[kind]), "", total);
            }
        };
    write("fairlead_replies_total",
          "Packets that the engine answered itself, by kind.",
          &shm::WorkerBlock::replies);
    write("fairlead_suppressed_replies_total",
          "Answers that the engine's rate limit held back, by kind; also drops of the reason "
          "reply_rate_limited.",
          &shm::WorkerBlock::suppressed_replies);
    out.family("fairlead_announcements_total",
               Type::kCounter,
               "Frames by which the engine told neighbors that a VIP is here now.");
    std::uint64_t announcements = 0;
    for (const shm::WorkerBlock& worker : workers) {
        announcements += worker.announcements.get();
    }
    out.sample("", "", announcements);
}

void write_drops(TextWriter& out, std::span<const shm::WorkerBlock> workers) {
    out.family("fairlead_dropped_packets_total",
               Type::kCounter,
               "Packets dropped by the engine, by reason; `lbctl` explains each.");
    for (std::size_t reason = 1; reason < kDropReasonCount; ++reason) {
        std::uint64_t total = 0;
        for (const shm::WorkerBlock& worker : workers) {
            total += worker.dropped[reason].get();
        }
        out.sample("{" + label("reason", kDropReasonTexts[reason].metric), "", total);
    }
    out.family(
        "fairlead_punted_packets_total", Type::kCounter, "Packets left to the kernel, by reason.");
    std::uint64_t punted = 0;
    for (const shm::WorkerBlock& worker : workers) {
        punted += worker.kernel_packets.get();
    }
    out.sample("{reason=\"not_vip\"", "", punted);
}

}  // namespace

void write_workers(TextWriter& out, daemon::Daemon& daemon) {
    const std::span<const shm::WorkerBlock> workers = daemon.telemetry().workers();
    if (workers.empty()) {
        return;
    }
    for (const WorkerFamily& family : kWorkerFamilies) {
        out.family(family.name, family.type, family.help);
        for (std::size_t i = 0; i < workers.size(); ++i) {
            out.sample(worker_labels(i), "", (workers[i].*family.counter).get());
        }
    }
    write_stalls(out, daemon.look_at_engine(), workers.size());
    write_flow_states(out, workers);
    write_lookups(out, workers);
    out.family("fairlead_worker_busy_seconds_total",
               Type::kCounter,
               "Time that the worker spent in loops that had packets.");
    for (std::size_t i = 0; i < workers.size(); ++i) {
        out.sample(worker_labels(i),
                   ",cpu=\"" + std::to_string(workers[i].cpu.get()) + "\"",
                   static_cast<double>(workers[i].busy_ns.get()) / 1e9);
    }
    const std::span<const shm::WorkerBlock> used = daemon.telemetry().used_workers();
    write_replies(out, used);
    write_drops(out, used);
}

void write_ports(TextWriter& out, daemon::Daemon& daemon) {
    const shm::TelemetryHeader* header = daemon.telemetry().header();
    if (header == nullptr) {
        return;
    }
    const std::size_t count = std::min<std::size_t>(header->port_count.load(), shm::kMaxPorts);
    if (count == 0) {
        return;
    }
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& name = header->ports[i].name;
        labels.push_back("{" + label("port", {name.data(), ::strnlen(name.data(), name.size())}));
    }
    for (const PortFamily& family : kPortFamilies) {
        out.family(family.name, family.type, family.help);
        for (std::size_t i = 0; i < count; ++i) {
            out.sample(labels[i], "", (header->ports[i].*family.counter).get());
        }
    }
    write_conditions(out, std::span(header->ports).first(count), labels);
}

}  // namespace fairlead::metrics
