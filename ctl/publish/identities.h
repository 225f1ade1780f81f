// Which backend has which index and incarnation, carried from a `tables` file of another layout
// into a new one: flow entries name their backends by these, and outlive the file.
//
// A file that must be replaced is first set aside under another name, so that whoever dies on the
// way leaves it to the next daemon. It is read as a file and not mapped: what stands in it is not
// trusted, and what it has no memory for reads as zeros. Private to ctl/publish.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dp/base/ids.h"
#include "dp/base/result.h"
#include "dp/net/ip_address.h"
#include "dp/shm/tables.h"

namespace fairlead::publish {

struct Identity {
    std::uint32_t index = 0;
    std::uint32_t incarnation = 0;
    bool is_published = false;  // somebody has the index; false: its last flows may still live
    ServiceId service_id{};
    IpAddress address;
    shm::Name service{};
    shm::Name name{};
    std::uint32_t health = 0;
    std::int64_t health_since_ns = 0;
    std::uint64_t baseline_instance = 0;
    std::uint64_t baseline_packets = 0;
    std::uint64_t baseline_bytes = 0;
    std::uint64_t baseline_new_flows = 0;
};

// Gives the `tables` file of a run directory the name from which read_identities() reads.
[[nodiscard]] Status set_tables_aside(const std::string& run_dir);
// Takes that away; no error where there is none.
void remove_tables_aside(const std::string& run_dir);
// Of the file that was set aside; empty where there is none, or one of another version.
[[nodiscard]] std::vector<Identity> read_identities(const std::string& run_dir);

// Writes them into records and infos of a new segment, in order of their index. The other indices
// begin at incarnations of their own, by `salt`: an entry of flows whose `tables` are lost then
// means nobody, but for one in 64.
void write_identities(std::span<const Identity> identities,
                      std::uint64_t salt,
                      std::span<shm::BackendRecord> records,
                      std::span<shm::BackendInfo> infos);

}  // namespace fairlead::publish
