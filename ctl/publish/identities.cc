#include "ctl/publish/identities.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead::publish {

namespace {

[[nodiscard]] std::string aside(const std::string& run_dir) {
    return run_dir + "/tables.old";
}

template <typename T>
[[nodiscard]] T field(std::span<const std::byte> bytes, std::size_t offset) {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

[[nodiscard]] std::vector<std::byte> read_at(std::ifstream& file,
                                             std::uint64_t offset,
                                             std::size_t bytes) {
    std::vector<std::byte> content(bytes);
    file.seekg(static_cast<std::streamoff>(offset));
    // What a stream reads are chars, and these have no other meaning than bytes.
    file.read(static_cast<char*>(static_cast<void*>(content.data())),
              static_cast<std::streamsize>(bytes));
    if (!file) {
        content.clear();
    }
    return content;
}

[[nodiscard]] shm::Name name_at(std::span<const std::byte> info, std::size_t offset) {
    auto name = field<shm::Name>(info, offset);
    name.back() = '\0';
    return name;
}

[[nodiscard]] Identity identity_of(std::uint32_t index,
                                   std::span<const std::byte> record,
                                   std::span<const std::byte> info) {
    const shm::BackendWord word(field<std::uint64_t>(record, offsetof(shm::BackendRecord, word)));
    return {
        .index = index,
        .incarnation = word.incarnation(),
        .is_published = word.has(shm::BackendWord::kPublished),
        .service_id = field<ServiceId>(record, offsetof(shm::BackendRecord, service)),
        .address = field<IpAddress>(record, offsetof(shm::BackendRecord, address)),
        .service = name_at(info, offsetof(shm::BackendInfo, service)),
        .name = name_at(info, offsetof(shm::BackendInfo, name)),
        .health = field<std::uint32_t>(info, offsetof(shm::BackendInfo, health)),
        .health_since_ns = field<std::int64_t>(info, offsetof(shm::BackendInfo, health_since_ns)),
        .baseline_instance =
            field<std::uint64_t>(info, offsetof(shm::BackendInfo, baseline_instance)),
        .baseline_packets =
            field<std::uint64_t>(info, offsetof(shm::BackendInfo, baseline_packets)),
        .baseline_bytes = field<std::uint64_t>(info, offsetof(shm::BackendInfo, baseline_bytes)),
        .baseline_new_flows =
            field<std::uint64_t>(info, offsetof(shm::BackendInfo, baseline_new_flows))};
}

// Spreads a number over all bits (the finalizer of SplitMix64).
[[nodiscard]] std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9ULL;
    value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EBULL;
    return value ^ (value >> 31U);
}

}  // namespace

Status set_tables_aside(const std::string& run_dir) {
    const std::string path = run_dir + "/tables";
    if (std::rename(path.c_str(), aside(run_dir).c_str()) != 0) {
        return fail("cannot rename " + path + " to " + aside(run_dir) + ": " + error_text(errno) +
                    "; remove what stands at either name, and start lbd again");
    }
    return {};
}

void remove_tables_aside(const std::string& run_dir) {
    (void)std::remove(aside(run_dir).c_str());  // an empty folder too
}

std::vector<Identity> read_identities(const std::string& run_dir) {
    std::ifstream file(aside(run_dir), std::ios::binary);
    constexpr std::size_t kNeeded = offsetof(shm::TablesHeader, service_infos_offset);
    const std::vector<std::byte> header =
        file ? read_at(file, 0, kNeeded) : std::vector<std::byte>{};
    if (header.empty()) {
        return {};
    }
    const auto segment = field<shm::SegmentHeader>(header, 0);
    if (segment.magic != shm::kTablesMagic || segment.layout_version != shm::kTablesVersion) {
        return {};
    }
    const std::uint32_t backends = std::min(
        field<std::uint32_t>(header, offsetof(shm::TablesHeader, backends)), shm::kMaxBackends);
    const std::vector<std::byte> records =
        read_at(file,
                field<std::uint64_t>(header, offsetof(shm::TablesHeader, backends_offset)),
                backends * sizeof(shm::BackendRecord));
    const std::vector<std::byte> infos =
        read_at(file,
                field<std::uint64_t>(header, offsetof(shm::TablesHeader, backend_infos_offset)),
                backends * sizeof(shm::BackendInfo));
    std::vector<Identity> identities;
    for (std::uint32_t index = 0; index < backends && !records.empty() && !infos.empty(); ++index) {
        const Identity identity = identity_of(
            index,
            std::span(records).subspan(index * sizeof(shm::BackendRecord),
                                       sizeof(shm::BackendRecord)),
            std::span(infos).subspan(index * sizeof(shm::BackendInfo), sizeof(shm::BackendInfo)));
        if (identity.name.front() != '\0') {  // else nobody ever had the index
            identities.push_back(identity);
        }
    }
    return identities;
}

void write_identities(std::span<const Identity> identities,
                      std::uint64_t salt,
                      std::span<shm::BackendRecord> records,
                      std::span<shm::BackendInfo> infos) {
    std::uint64_t number = salt;
    for (shm::BackendRecord& record : records) {
        const auto incarnation = static_cast<std::uint32_t>(mixed(++number));
        record.word.store(shm::BackendWord::make({}, PortIndex{0}, incarnation, 0).raw(),
                          std::memory_order_relaxed);
    }
    for (const Identity& identity : identities) {
        shm::BackendRecord& record = records[identity.index];
        const std::uint64_t flags =
            identity.is_published ? std::uint64_t{shm::BackendWord::kPublished} : 0;
        record.word.store(
            shm::BackendWord::make({}, PortIndex{0}, identity.incarnation, flags).raw(),
            std::memory_order_relaxed);
        record.service = identity.service_id;
        record.address = identity.address;
        shm::BackendInfo& info = infos[identity.index];
        info.service = identity.service;
        info.name = identity.name;
        info.health.store(identity.health, std::memory_order_relaxed);
        info.health_since_ns.store(identity.health_since_ns, std::memory_order_relaxed);
        info.baseline_instance = identity.baseline_instance;
        info.baseline_packets = identity.baseline_packets;
        info.baseline_bytes = identity.baseline_bytes;
        info.baseline_new_flows = identity.baseline_new_flows;
    }
}

}  // namespace fairlead::publish
