#include "conf/schema/values.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "conf/schema/scalars.h"

namespace fairlead::conf {

namespace {

[[nodiscard]] std::string_view kind_name(NodeKind kind) noexcept {
    switch (kind) {
        case NodeKind::kString:
            return "a string";
        case NodeKind::kInteger:
            return "an integer";
        case NodeKind::kFloat:
            return "a floating-point number";
        case NodeKind::kBoolean:
            return "a boolean";
        case NodeKind::kDate:
            return "a date or time";
        case NodeKind::kArray:
            return "an array";
        case NodeKind::kTable:
            return "a table";
    }
    return "something else";
}

[[nodiscard]] std::string join(std::span<const std::string_view> words) {
    std::string result;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view separator = i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
        result += fmt::format("{}\"{}\"", separator, words[i]);
    }
    return result;
}

// Reads the value of one key. Every reader returns nothing after it has said why.
class ValueReader {
  public:
    ValueReader(const KeyInfo& key, Problems& problems) : key_(key), problems_(problems) {}

    [[nodiscard]] std::optional<Value> read(const Node& node) {
        switch (key_.kind) {
            case ValueKind::kInteger:
                return read_integer(node);
            case ValueKind::kSize:
                return read_size(node);
            case ValueKind::kAddresses:
                return read_addresses(node);
            case ValueKind::kMinHealthy:
                return read_min_healthy(node);
            case ValueKind::kPrefix:
                return lift(read_prefix(node));
            case ValueKind::kPrefixes:
                return read_items<PortConfig::Prefix>(node, &ValueReader::read_prefix);
            case ValueKind::kSources:
                return read_sources(node);
            case ValueKind::kStatusRanges:
                return read_items<StatusRange>(node, &ValueReader::read_status_range);
            default:
                return is_string(node) ? read_string(node) : std::nullopt;
        }
    }

  private:
    std::nullopt_t refuse(const Node& node, std::string_view expected) {
        std::string found(kind_name(node.kind));
        if (node.kind == NodeKind::kString) {
            found = quoted(node.text);
        } else if (node.kind == NodeKind::kInteger) {
            found = std::to_string(node.integer);
        }
        problems_.add(node.place,
                      fmt::format("\"{}\" must be {}, not {}", key_.name, expected, found));
        return std::nullopt;
    }

    // No string of the configuration holds control characters: they would reach logs and requests.
    [[nodiscard]] bool is_string(const Node& node) {
        if (node.kind != NodeKind::kString) {
            refuse(node, expected_string());
            return false;
        }
        if (std::any_of(node.text.begin(), node.text.end(), is_control)) {
            refuse(node, "text without control characters");
            return false;
        }
        return true;
    }

    [[nodiscard]] std::string expected_string() const {
        switch (key_.kind) {
            case ValueKind::kName:
                return "a name of 1 to 63 letters, digits, '.', '_' or '-' that begins with a "
                       "letter or digit";
            case ValueKind::kToken:
                return fmt::format(
                    "a string of {} to {} characters without blanks", key_.min, key_.max);
            case ValueKind::kFilePath:
                return "a path that begins with \"/\"";
            case ValueKind::kUrlPath:
                return fmt::format(
                    "a path that begins with \"/\", without blanks, of at most {} characters",
                    key_.max);
            case ValueKind::kChoice:
                return join(key_.choices);
            case ValueKind::kDuration:
                return fmt::format("a duration such as \"500ms\", \"1s\" or \"15m\", from {} to {}",
                                   duration_text(std::chrono::milliseconds(key_.min)),
                                   duration_text(std::chrono::milliseconds(key_.max)));
            case ValueKind::kRate:
                return fmt::format("a rate such as \"100/s\", \"64k/s\" or \"2M/s\", from {} to {}",
                                   rate_text(key_.min),
                                   rate_text(key_.max));
            case ValueKind::kCpuList:
                return "a list of CPUs such as \"2-7\" or \"0,2,4-5\"";
            case ValueKind::kAddress:
                return "an IPv4 or IPv6 address";
            case ValueKind::kEndpoint:
                return "ADDRESS:PORT, such as \"203.0.113.10:443\" or \"[2001:db8::10]:443\"";
            case ValueKind::kVip:
                return "ADDRESS:PORT, ADDRESS:FIRST-LAST or ADDRESS:any, such as "
                       "\"203.0.113.10:443\", \"203.0.113.10:8000-8100\" or "
                       "\"[2001:db8::10]:any\"";
            case ValueKind::kMac:
                return "the Ethernet address of one station, such as \"02:00:00:00:04:01\"";
            default:
                return fmt::format("a string of {} to {} characters", key_.min, key_.max);
        }
    }

    [[nodiscard]] std::optional<Value> read_string(const Node& node) {
        std::optional<Value> value = parse_string(node.text);
        if (!value) {
            return refuse(node, expected_string());
        }
        if (const auto* cpus = std::get_if<std::vector<std::uint32_t>>(&*value)) {
            const std::set<std::uint32_t> distinct(cpus->begin(), cpus->end());
            if (distinct.size() != cpus->size()) {
                return refuse(node, "a list that names each CPU once");
            }
        }
        return value;
    }

    [[nodiscard]] std::optional<Value> parse_string(const std::string& text) const {
        switch (key_.kind) {
            case ValueKind::kName:
                return is_name(text) ? std::optional<Value>(text) : std::nullopt;
            case ValueKind::kText:
            case ValueKind::kToken:
                return parse_text(text);
            case ValueKind::kFilePath:
            case ValueKind::kUrlPath:
                return text.starts_with('/') ? parse_text(text) : std::nullopt;
            case ValueKind::kChoice:
                return parse_choice(text);
            case ValueKind::kDuration:
                return in_bounds(parse_duration(text));
            case ValueKind::kRate: {
                const std::optional<std::uint64_t> rate = parse_rate(text);
                return rate && *rate >= key_.min && *rate <= key_.max ? lift(rate) : std::nullopt;
            }
            case ValueKind::kCpuList:
                return lift(parse_cpus(text, static_cast<std::uint32_t>(key_.max)));
            case ValueKind::kAddress:
                return lift(parse_address(text));
            case ValueKind::kEndpoint:
                return lift(parse_endpoint(text));
            case ValueKind::kVip:
                return lift(parse_vip(text));
            case ValueKind::kMac:
                return lift(parse_station_mac(text));
            default:
                return std::nullopt;
        }
    }

    [[nodiscard]] std::optional<Value> in_bounds(
        std::optional<std::chrono::milliseconds> duration) const {
        const auto count =
            static_cast<std::uint64_t>(duration.value_or(std::chrono::milliseconds(0)).count());
        return duration && count >= key_.min && count <= key_.max ? lift(duration) : std::nullopt;
    }

    template <typename T>
    [[nodiscard]] static std::optional<Value> lift(const std::optional<T>& value) {
        return value ? std::optional<Value>(*value) : std::nullopt;
    }

    [[nodiscard]] std::optional<Value> parse_text(const std::string& text) const {
        const bool may_hold_blanks =
            key_.kind == ValueKind::kText || key_.kind == ValueKind::kFilePath;
        const std::size_t blank = text.find(' ');
        const bool is_framed = !text.empty() && (text.front() == ' ' || text.back() == ' ');
        const bool is_fine = text.size() >= key_.min && text.size() <= key_.max && !is_framed &&
                             (may_hold_blanks || blank == std::string::npos);
        return is_fine ? std::optional<Value>(text) : std::nullopt;
    }

    [[nodiscard]] std::optional<Value> parse_choice(const std::string& text) const {
        const auto found = std::find(key_.choices.begin(), key_.choices.end(), text);
        if (found == key_.choices.end()) {
            return std::nullopt;
        }
        return static_cast<std::uint64_t>(found - key_.choices.begin());
    }

    [[nodiscard]] std::optional<Value> read_integer(const Node& node) {
        const bool is_in_range = node.kind == NodeKind::kInteger && node.integer >= 0 &&
                                 static_cast<std::uint64_t>(node.integer) >= key_.min &&
                                 static_cast<std::uint64_t>(node.integer) <= key_.max;
        if (!is_in_range) {
            return refuse(node, fmt::format("an integer from {} to {}", key_.min, key_.max));
        }
        return static_cast<std::uint64_t>(node.integer);
    }

    [[nodiscard]] std::optional<Value> read_size(const Node& node) {
        std::optional<std::uint64_t> size;
        if (node.kind == NodeKind::kString) {
            size = parse_size(node.text);
        } else if (node.kind == NodeKind::kInteger && node.integer >= 0) {
            size = static_cast<std::uint64_t>(node.integer);
        }
        if (!size || *size < key_.min || *size > key_.max) {
            return refuse(node,
                          fmt::format("a number such as 65536, \"64k\" or \"8M\", from {} to {}",
                                      key_.min,
                                      key_.max));
        }
        return *size;
    }

    [[nodiscard]] std::optional<Value> read_min_healthy(const Node& node) {
        if (node.kind == NodeKind::kString) {
            if (const auto percent = parse_percent(node.text)) {
                return MinHealthy{.percent = *percent};
            }
        } else if (node.kind == NodeKind::kInteger && node.integer >= 0 &&
                   static_cast<std::uint64_t>(node.integer) <= key_.max) {
            return MinHealthy{.count = static_cast<std::uint32_t>(node.integer)};
        }
        return refuse(node,
                      fmt::format("a share of the backends from \"1%\" to \"100%\", or a number of "
                                  "them from 0 to {}",
                                  key_.max));
    }

    template <typename Item>
    [[nodiscard]] std::optional<std::vector<Item>> read_each(
        const Node& node, std::optional<Item> (ValueReader::*read_item)(const Node&)) {
        if (node.kind != NodeKind::kArray || node.items.size() < key_.min ||
            node.items.size() > key_.max) {
            problems_.add(
                node.place,
                fmt::format("\"{}\" must be an array of {} to {} elements, not {}",
                            key_.name,
                            key_.min,
                            key_.max,
                            node.kind == NodeKind::kArray ? fmt::format("of {}", node.items.size())
                                                          : std::string(kind_name(node.kind))));
            return std::nullopt;
        }
        std::vector<Item> items;
        bool is_complete = true;
        for (const Node& item : node.items) {
            const std::optional<Item> value = (this->*read_item)(item);
            is_complete = is_complete && value.has_value();
            items.push_back(value.value_or(Item{}));
        }
        return is_complete ? std::optional(std::move(items)) : std::nullopt;
    }

    template <typename Item>
    [[nodiscard]] std::optional<Value> read_items(
        const Node& node, std::optional<Item> (ValueReader::*read_item)(const Node&)) {
        return lift(read_each<Item>(node, read_item));
    }

    // One may stand without brackets.
    [[nodiscard]] std::optional<Value> read_addresses(const Node& node) {
        if (node.kind == NodeKind::kArray) {
            return read_items<IpAddress>(node, &ValueReader::read_address);
        }
        const std::optional<IpAddress> one = read_address(node);
        return one ? std::optional<Value>(std::vector<IpAddress>{*one}) : std::nullopt;
    }

    [[nodiscard]] std::optional<IpAddress> read_address(const Node& node) {
        const std::optional<IpAddress> address =
            node.kind == NodeKind::kString ? parse_address(node.text) : std::nullopt;
        return address ? address : refuse(node, "IPv4 or IPv6 addresses, such as \"10.0.0.2\"");
    }

    [[nodiscard]] std::optional<PortConfig::Prefix> read_prefix(const Node& node) {
        if (node.kind == NodeKind::kString) {
            const std::string_view text = node.text;
            const std::size_t slash = std::min(text.find('/'), text.size());
            const auto address = parse_address(text.substr(0, slash));
            const auto length = parse_number(text.substr(std::min(slash + 1, text.size())));
            const std::uint64_t longest = address && address->is_v4() ? 32 : 128;
            const bool has_control = std::any_of(text.begin(), text.end(), is_control);
            if (address && length && *length <= longest && !has_control) {
                return PortConfig::Prefix{*address, static_cast<std::uint8_t>(*length)};
            }
        }
        return refuse(node,
                      key_.kind == ValueKind::kPrefix
                          ? "a prefix such as \"fd00:1::/64\" or \"10.1.0.0/16\""
                          : "addresses with prefix length, such as \"10.0.0.2/24\"");
    }

    [[nodiscard]] std::optional<IpPrefix> read_source(const Node& node) {
        const auto prefix = node.kind == NodeKind::kString ? parse_source_prefix(node.text)
                                                           : std::optional<IpPrefix>();
        if (!prefix) {
            return refuse(node,
                          "addresses and prefixes, such as \"192.0.2.0/24\", \"2001:db8::/32\" or "
                          "\"198.51.100.7\"");
        }
        const IpPrefix network = prefix_around(prefix->address, prefix->length);
        if (network != *prefix) {
            problems_.add(
                node.place,
                fmt::format("{} in \"{}\" has bits set behind its prefix: write \"{}\", or "
                            "\"{}\" for that address alone",
                            quoted(node.text),
                            key_.name,
                            prefix_text(network),
                            prefix->address.text().data()));
            return std::nullopt;
        }
        return network;
    }

    [[nodiscard]] std::optional<Value> read_sources(const Node& node) {
        auto prefixes = read_each<IpPrefix>(node, &ValueReader::read_source);
        if (!prefixes) {
            return std::nullopt;
        }
        std::sort(prefixes->begin(), prefixes->end());
        prefixes->erase(std::unique(prefixes->begin(), prefixes->end()), prefixes->end());
        return std::make_shared<const std::vector<IpPrefix>>(std::move(*prefixes));
    }

    [[nodiscard]] std::optional<StatusRange> read_status_range(const Node& node) {
        std::optional<std::uint64_t> first;
        std::optional<std::uint64_t> last;
        if (node.kind == NodeKind::kInteger && node.integer >= 0) {
            first = last = static_cast<std::uint64_t>(node.integer);
        } else if (node.kind == NodeKind::kString) {
            const std::string_view text = node.text;
            const std::size_t dash = std::min(text.find('-'), text.size());
            first = parse_number(text.substr(0, dash));
            last = dash == text.size() ? first : parse_number(text.substr(dash + 1));
        }
        constexpr std::uint64_t kFirstStatus = 100;  // RFC 9110, 15
        constexpr std::uint64_t kLastStatus = 599;
        if (!first || !last || *first < kFirstStatus || *last > kLastStatus || *first > *last) {
            return refuse(node, "HTTP status codes such as \"200-299\" or 204, from 100 to 599");
        }
        return StatusRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
    }

    const KeyInfo& key_;
    Problems& problems_;
};

}  // namespace

std::optional<Value> read_value(const KeyInfo& key, const Node& node, Problems& problems) {
    return ValueReader(key, problems).read(node);
}

Value default_value(const KeyInfo& key) {
    Node node;
    node.kind = NodeKind::kString;
    node.text = key.default_text;
    if (key.kind == ValueKind::kInteger) {
        node.kind = NodeKind::kInteger;
        node.integer = static_cast<std::int64_t>(parse_number(key.default_text).value_or(0));
    } else if (key.kind == ValueKind::kStatusRanges || key.kind == ValueKind::kPrefixes) {
        Node array;
        array.kind = NodeKind::kArray;
        array.items.push_back(node);
        node = array;
    }
    Problems problems;
    return read_value(key, node, problems).value_or(Value{});
}

}  // namespace fairlead::conf
