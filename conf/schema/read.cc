#include "conf/schema/read.h"

#include <array>

#include <fmt/format.h>
#include <unistd.h>

#include "conf/schema/keys.h"
#include "conf/schema/suggest.h"

namespace fairlead::conf {

namespace {

const std::vector<Node> kNoElements;

}  // namespace

const Entry* Reading::accepted(const Node& table, std::string_view key) const {
    const Entry* entry = table.find(key);
    return entry == nullptr || refused.contains(&entry->value) ? nullptr : entry;
}

Place Reading::place_of(const Node& table, std::string_view key) {
    const Entry* entry = table.find(key);
    return entry == nullptr ? table.place : entry->value.place;
}

const std::vector<Node>& Reading::elements(const Node& table, std::string_view key) {
    const Entry* entry = table.find(key);
    return entry == nullptr ? kNoElements : entry->value.items;
}

const Node* Reading::health_of(const Node& service) {
    const Entry* entry = service.find("health");
    if (entry == nullptr) {
        return nullptr;
    }
    const bool is_array = entry->value.kind == NodeKind::kArray;
    const Node* table =
        is_array && !entry->value.items.empty() ? &entry->value.items.front() : &entry->value;
    return table->kind == NodeKind::kTable ? table : nullptr;
}

namespace {

constexpr std::array<std::string_view, 6> kTables{
    "node", "engine", "port", "api", "defaults", "service"};
constexpr std::array<std::string_view, 3> kServiceTables{"health", "backend", "limits"};
constexpr std::array<std::string_view, 1> kDefaultsTables{"health"};

// How the heading of a table of the top level is written.
[[nodiscard]] std::string heading(std::string_view table) {
    const bool is_array = table == "port" || table == "service";
    return is_array ? fmt::format("[[{}]]", table) : fmt::format("[{}]", table);
}

[[nodiscard]] std::string host_name() {
    constexpr std::size_t kMaxHostName = 64;  // Linux, HOST_NAME_MAX
    std::array<char, kMaxHostName + 1> name{};
    const bool is_known = gethostname(name.data(), kMaxHostName) == 0 && is_name(name.data());
    return is_known ? name.data() : "fairlead";
}

template <typename Target>
[[nodiscard]] Target with_defaults(std::span<const Key<Target>> keys) {
    Target target;
    for (const Key<Target>& key : keys) {
        if (!key.info.default_text.empty()) {
            key.store(target, default_value(key.info));
        }
    }
    return target;
}

class Reader {
  public:
    Reader(const Node& root, Problems& problems) : root_(root), problems_(problems) {
        reading_.root = &root;
    }

    [[nodiscard]] Reading read() {
        refuse_unknown_tables();
        Config& config = reading_.config;
        config.node = with_defaults(node_keys());
        config.node.name = host_name();
        config.engine = with_defaults(engine_keys());
        config.api = with_defaults(api_keys());
        read_section("node", node_keys(), config.node);
        read_section("engine", engine_keys(), config.engine);
        read_section("api", api_keys(), config.api);
        read_defaults();
        for (const Node& node : array_of(root_, "port", "[[port]]")) {
            PortConfig& port = config.ports.emplace_back(with_defaults(port_keys()));
            read_table("[[port]]", node, port_keys(), {}, port);
        }
        for (const Node& node : array_of(root_, "service", "[[service]]")) {
            read_service(node, config.services.emplace_back(with_defaults(service_keys())));
        }
        return std::move(reading_);
    }

  private:
    void refuse_unknown_tables() {
        for (const Entry& entry : root_.entries) {
            if (std::find(kTables.begin(), kTables.end(), entry.key) != kTables.end()) {
                continue;
            }
            const std::string_view meant = nearest(entry.key, kTables);
            const std::string hint =
                meant.empty() ? "" : fmt::format("; did you mean {}?", heading(meant));
            const bool is_key =
                entry.value.kind != NodeKind::kTable && entry.value.kind != NodeKind::kArray;
            problems_.add(entry.place,
                          fmt::format("unknown {} {}{}",
                                      is_key ? "key outside of any table:" : "table",
                                      quoted(entry.key),
                                      hint));
        }
    }

    template <typename Target>
    void read_section(std::string_view name, std::span<const Key<Target>> keys, Target& target) {
        const Entry* entry = root_.find(name);
        if (entry == nullptr) {
            refuse_missing(heading(name), root_, keys);
            return;
        }
        if (entry->value.kind != NodeKind::kTable) {
            problems_.add(entry->place,
                          fmt::format("\"{}\" must be a table: write {}", name, heading(name)));
            return;
        }
        read_table(heading(name), entry->value, keys, {}, target);
    }

    void read_defaults() {
        default_health_ = with_defaults(health_keys());
        const Entry* defaults = root_.find("defaults");
        if (defaults == nullptr) {
            return;
        }
        if (defaults->value.kind != NodeKind::kTable) {
            problems_.add(defaults->place, "\"defaults\" must be a table: write [defaults.health]");
            return;
        }
        read_table("[defaults]", defaults->value, defaults_keys(), kDefaultsTables, defaults_);
        const Entry* health = defaults->value.find("health");
        if (health == nullptr) {
            return;
        }
        if (health->value.kind != NodeKind::kTable) {
            problems_.add(health->place, "\"health\" must be a table: write [defaults.health]");
            return;
        }
        read_table("[defaults.health]", health->value, health_keys(), {}, default_health_);
    }

    void read_service(const Node& node, ServiceConfig& service) {
        service.min_healthy = defaults_.min_healthy;
        service.on_min_healthy = defaults_.on_min_healthy;
        read_table("[[service]]", node, service_keys(), kServiceTables, service);
        service.health = default_health_;
        read_health(node, service.health);
        read_limits(node, service.limits);
        for (const Node& element : array_of(node, "backend", "[[service.backend]]")) {
            BackendConfig& backend = service.backends.emplace_back(with_defaults(backend_keys()));
            read_table("[[service.backend]]", element, backend_keys(), {}, backend);
        }
    }

    void read_health(const Node& service, HealthConfig& health) {
        const Entry* entry = service.find("health");
        if (entry == nullptr) {
            return;
        }
        const std::vector<Node>& several = entry->value.items;
        if (several.size() > 1) {
            problems_.add(several[1].place,
                          fmt::format("a service has one [[service.health]], and this one has {}",
                                      several.size()));
            return;
        }
        const Node* table = Reading::health_of(service);
        if (table == nullptr) {
            problems_.add(entry->place, "\"health\" must be a table: write [[service.health]]");
            return;
        }
        read_table("[[service.health]]", *table, health_keys(), {}, health);
    }

    void read_limits(const Node& service, LimitsConfig& limits) {
        const Entry* entry = service.find("limits");
        if (entry == nullptr) {
            return;
        }
        if (entry->value.kind != NodeKind::kTable) {
            problems_.add(entry->place,
                          "\"limits\" must be a table: write limits = { packets = \"2M/s\" }");
            return;
        }
        read_table("limits of [[service]]", entry->value, limits_keys(), {}, limits);
    }

    // The tables of an array, or none and a problem if it is something else.
    [[nodiscard]] const std::vector<Node>& array_of(const Node& table,
                                                    std::string_view key,
                                                    std::string_view written) {
        const Entry* entry = table.find(key);
        if (entry != nullptr && entry->value.kind != NodeKind::kArray) {
            problems_.add(entry->place,
                          fmt::format("there may be several of \"{}\": write {}", key, written));
        }
        return Reading::elements(table, key);
    }

    template <typename Target>
    void read_table(std::string_view written,
                    const Node& node,
                    std::span<const Key<Target>> keys,
                    std::span<const std::string_view> subtables,
                    Target& target) {
        if (node.kind != NodeKind::kTable) {
            problems_.add(node.place,
                          fmt::format("every element must be a table: write {}", written));
            return;
        }
        for (const Entry& entry : node.entries) {
            const auto key =
                std::find_if(keys.begin(), keys.end(), [&](const Key<Target>& candidate) {
                    return candidate.info.name == entry.key;
                });
            if (key != keys.end()) {
                const std::optional<Value> value = read_value(key->info, entry.value, problems_);
                if (value) {
                    key->store(target, *value);
                } else {
                    reading_.refused.insert(&entry.value);
                }
            } else if (std::find(subtables.begin(), subtables.end(), entry.key) ==
                       subtables.end()) {
                refuse_unknown_key(written, entry, keys, subtables);
            }
        }
        refuse_missing(written, node, keys);
    }

    template <typename Target>
    void refuse_unknown_key(std::string_view written,
                            const Entry& entry,
                            std::span<const Key<Target>> keys,
                            std::span<const std::string_view> subtables) {
        std::vector<std::string_view> known(subtables.begin(), subtables.end());
        for (const Key<Target>& key : keys) {
            known.push_back(key.info.name);
        }
        const std::string_view meant = nearest(entry.key, known);
        const std::string hint = meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant);
        problems_.add(entry.place,
                      fmt::format("unknown key {} in {}{}", quoted(entry.key), written, hint));
    }

    template <typename Target>
    void refuse_missing(std::string_view written,
                        const Node& node,
                        std::span<const Key<Target>> keys) {
        for (const Key<Target>& key : keys) {
            if (key.info.is_required && node.find(key.info.name) == nullptr) {
                problems_.add(node.place,
                              fmt::format("missing key \"{}\" in {}", key.info.name, written));
            }
        }
    }

    const Node& root_;
    Problems& problems_;
    Reading reading_;
    HealthConfig default_health_;
    ServiceConfig defaults_ =
        with_defaults(service_keys());  // of the keys that [defaults] itself has
};

}  // namespace

Reading read_document(const Node& root, Problems& problems) {
    return Reader(root, problems).read();
}

}  // namespace fairlead::conf
