#include "ctl/publish/publisher.h"

#include <cstring>
#include <utility>

#include "ctl/publish/publisher_state.h"

namespace fairlead::publish {

Result<std::unique_ptr<Publisher>> Publisher::open(const std::string& run_dir,
                                                   std::string_view version,
                                                   Acknowledgements& acknowledgements,
                                                   CounterSource& counters) {
    const auto is_followed = [&] {
        return acknowledgements.follows_tables();
    };
    Result<TablesFile> file = TablesFile::open(run_dir, version, is_followed);
    if (!file) {
        return Unexpected{file.error()};
    }
    auto state =
        std::make_unique<PublisherState>(std::move(file).value(), acknowledgements, counters);
    state->recover();
    return std::unique_ptr<Publisher>(new Publisher(std::move(state)));
}

Publisher::Publisher(std::unique_ptr<PublisherState> state) : state_(std::move(state)) {}
Publisher::~Publisher() = default;

Result<Published> Publisher::publish(const DesiredTables& desired, Shortage shortage) {
    return state_->publish(desired, shortage);
}

std::uint64_t Publisher::generation() const {
    return state_->file.header().generation.load(std::memory_order_relaxed);
}

std::uint64_t Publisher::instance() const {
    return state_->file.header().segment.instance;
}

bool Publisher::is_current() const {
    return state_->file.is_current();
}

bool Publisher::is_whole() const {
    return state_->file.is_whole();
}

const Known& Publisher::known() const {
    return state_->known;
}

std::optional<Placement> Publisher::placement(std::string_view service,
                                              std::string_view name,
                                              const IpAddress& address) const {
    const auto found = state_->backends.find(BackendKeyView{service, name, address});
    if (found == state_->backends.end()) {
        return std::nullopt;
    }
    const shm::BackendInfo& info = state_->file.backend_info(found->second);
    return Placement{.index = BackendIndex{static_cast<std::uint16_t>(found->second)},
                     .baseline = {.instance = info.baseline_instance,
                                  .packets = info.baseline_packets,
                                  .bytes = info.baseline_bytes,
                                  .new_flows = info.baseline_new_flows}};
}

std::string Publisher::port_name(PortIndex number) const {
    const std::uint32_t root = state_->file.header().root.load(std::memory_order_relaxed);
    if (root >= shm::kSnapshotSlots || to_number(number) >= shm::kMaxPorts) {
        return "";
    }
    const shm::Name& name = state_->file.snapshot(root).port_names.at(to_number(number));
    return {name.data(), ::strnlen(name.data(), name.size())};
}

std::optional<ServiceId> Publisher::service_id(std::string_view service) const {
    const auto found = state_->services.find(service);
    if (found == state_->services.end()) {
        return std::nullopt;
    }
    return ServiceId{found->second.id};
}

std::uint32_t Publisher::fingerprint(std::string_view service) const {
    const auto found = state_->services.find(service);
    return found == state_->services.end() ? 0 : found->second.ring.fingerprint;
}

std::size_t Publisher::prefix_count() const {
    return state_->prefixes.prefix_count();
}

std::uint64_t Publisher::moved_entries(std::string_view service) const {
    const auto found = state_->services.find(service);
    return found == state_->services.end() ? 0 : found->second.moved_entries;
}

}  // namespace fairlead::publish
