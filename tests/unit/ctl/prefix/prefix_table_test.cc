// The longest prefix that contains a source, by the table that the engine reads, against the plain
// way: every prefix looked at.
#include "ctl/prefix/prefix_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "dp/shm/prefix_table.h"
#include "tests/support/packets.h"

namespace fairlead::prefix {
namespace {

using shm::SourceMatch;
using testing::address;

PrefixList share(std::vector<IpPrefix> prefixes) {
    std::sort(prefixes.begin(), prefixes.end());
    return std::make_shared<const std::vector<IpPrefix>>(std::move(prefixes));
}

IpPrefix prefix(std::string_view text, unsigned length) {
    return prefix_around(address(text), length);
}

// Reads what was built, as the engine does.
class Table {
  public:
    explicit Table(const std::vector<Lists>& lists) : lists_(lists) {
        auto built = build_prefix_table(lists_);
        if (!built) {
            throw std::logic_error(built.error().message);
        }
        content = std::move(*built);
        reader_ = content.table();
    }

    [[nodiscard]] shm::SourceJudgement judge(std::uint32_t list, const IpAddress& source) const {
        EXPECT_TRUE(reader_.has(list));
        return reader_.judge(list, source);
    }

    // The same without any search.
    [[nodiscard]] shm::SourceJudgement naive(std::uint32_t list, const IpAddress& source) const {
        const Lists& one = lists_[list - 1];
        shm::SourceJudgement best{one.allow && !one.allow->empty(), {}};
        int longest = -1;
        const auto look = [&](const PrefixList& prefixes, SourceMatch match) {
            for (std::size_t i = 0; prefixes && i < prefixes->size(); ++i) {
                const IpPrefix& each = (*prefixes)[i];
                if (each.length > longest && each.address.is_v4() == source.is_v4() &&
                    prefix_around(source, each.length) == each) {
                    longest = each.length;
                    best = {match == SourceMatch::kDeny, {match, each.length}};
                }
            }
        };
        look(one.allow, SourceMatch::kAllow);
        look(one.deny, SourceMatch::kDeny);
        return best;
    }

    void expect_right(std::uint32_t list, const IpAddress& source) const {
        const auto found = judge(list, source);
        const auto right = naive(list, source);
        ASSERT_EQ(found.is_denied, right.is_denied) << source.text().data();
        ASSERT_EQ(found.rule, right.rule) << source.text().data();
    }

    TableContent content;

  private:
    std::vector<Lists> lists_;
    shm::PrefixTable reader_;
};

bool is_denied(const Table& table, std::string_view source) {
    return table.judge(1, address(source)).is_denied;
}

TEST(PrefixTable, TheLongestPrefixDecides) {
    const Table table({{share({prefix("10.0.0.0", 8), prefix("10.1.2.0", 24)}),
                        share({prefix("10.1.0.0", 16), prefix("10.1.2.3", 32)})}});
    EXPECT_FALSE(is_denied(table, "10.7.7.7"));
    EXPECT_TRUE(is_denied(table, "10.1.9.9"));
    EXPECT_FALSE(is_denied(table, "10.1.2.2"));
    EXPECT_TRUE(is_denied(table, "10.1.2.3"));
    EXPECT_EQ(table.judge(1, address("10.1.9.9")).rule, (shm::SourceRule{SourceMatch::kDeny, 16}));
}

TEST(PrefixTable, WithoutAMatchAnAllowListOfEitherFamilyDenies) {
    const Table denying({{share({prefix("10.0.0.0", 8)}), nullptr}});
    EXPECT_TRUE(is_denied(denying, "11.0.0.1"));
    EXPECT_TRUE(is_denied(denying, "2001:db8::1"));
    const Table allowing({{nullptr, share({prefix("2001:db8::", 32)})}});
    EXPECT_FALSE(is_denied(allowing, "10.0.0.1"));
    EXPECT_FALSE(is_denied(allowing, "2001:db9::1"));
    EXPECT_TRUE(is_denied(allowing, "2001:db8::1"));
    const Table empty({{share({}), share({})}});
    EXPECT_FALSE(is_denied(empty, "10.0.0.1"));
}

TEST(PrefixTable, ListsDoNotMix) {
    const Table table({{nullptr, share({prefix("10.0.0.0", 8)})},
                       {share({prefix("10.0.0.0", 8)}), nullptr},
                       {nullptr, share({prefix("11.0.0.0", 8)})}});
    EXPECT_TRUE(table.judge(1, address("10.0.0.1")).is_denied);
    EXPECT_FALSE(table.judge(2, address("10.0.0.1")).is_denied);
    EXPECT_FALSE(table.judge(3, address("10.0.0.1")).is_denied);
}

TEST(PrefixTable, EveryLengthFromAllToOneAddress) {
    for (const char* source : {"203.0.113.77", "2001:db8:1234:5678:9abc:def0:1234:5678"}) {
        const IpAddress self = address(source);
        const unsigned bits = self.is_v4() ? kV4Bits : kV6Bits;
        std::vector<IpPrefix> allow;
        std::vector<IpPrefix> deny;
        for (unsigned length = 0; length <= bits; ++length) {
            (length % 2 == 0 ? allow : deny).push_back(prefix_around(self, length));
        }
        const Table table({{share(allow), share(deny)}});
        table.expect_right(1, self);
        for (unsigned bit = 0; bit < bits; ++bit) {  // each leaves the nest at another length
            AddressBits flipped = bits_of(self);
            (bit < 64 ? flipped.high : flipped.low) ^= 1ULL << (63 - bit % 64);
            const IpAddress other = address_of(flipped, self.is_v4());
            table.expect_right(1, other);
            EXPECT_EQ(table.judge(1, other).rule.length, bit);
        }
    }
}

// Random prefixes that nest and touch each other: around few places, of random lengths.
std::vector<IpPrefix> random_prefixes(std::mt19937_64& random,
                                      std::size_t count,
                                      bool is_v4,
                                      const std::vector<std::uint8_t>& lengths) {
    std::set<IpPrefix> prefixes;
    std::vector<AddressBits> places(1 + random() % 8);
    for (AddressBits& place : places) {
        place = {random(), random()};
    }
    while (prefixes.size() < count) {
        AddressBits bits = places[random() % places.size()];
        const unsigned kept = static_cast<unsigned>(random() % (is_v4 ? 33 : 129));
        const AddressBits other{random(), random()};
        const AddressBits mask = masked({~0ULL, ~0ULL}, kept);
        bits = {(bits.high & mask.high) | (other.high & ~mask.high),
                (bits.low & mask.low) | (other.low & ~mask.low)};
        const IpAddress around = address_of(is_v4 ? masked(bits, kV4Bits) : bits, is_v4);
        if (is_v4 || !around.is_v4()) {
            prefixes.insert(prefix_around(around, lengths[random() % lengths.size()]));
        }
        if (prefixes.size() + 1 >= (1ULL << std::min<unsigned>(lengths.back(), 20))) {
            break;  // there are no more of these lengths
        }
    }
    return {prefixes.begin(), prefixes.end()};
}

// The first and last address of each prefix, and those beside it.
std::vector<IpAddress> edges(const std::vector<IpPrefix>& prefixes) {
    std::vector<IpAddress> result;
    for (const IpPrefix& each : prefixes) {
        const bool is_v4 = each.address.is_v4();
        const AddressBits mask = masked({~0ULL, ~0ULL}, each.length);
        const AddressBits first = bits_of(each.address);
        AddressBits last{first.high | ~mask.high, first.low | ~mask.low};
        const AddressBits step = is_v4 ? AddressBits{1ULL << 32U, 0} : AddressBits{0, 1};
        if (is_v4) {
            last = masked(last, kV4Bits);
        }
        for (const AddressBits& bits : {first, last}) {
            const AddressBits up{bits.high + step.high + (bits.low + step.low < bits.low ? 1 : 0),
                                 bits.low + step.low};
            const AddressBits down{bits.high - step.high - (bits.low < step.low ? 1 : 0),
                                   bits.low - step.low};
            for (const AddressBits& one : {bits, up, down}) {
                result.push_back(address_of(one, is_v4));
            }
        }
    }
    return result;
}

// Both lists, with prefixes of both families and of a few dozen lengths.
Lists random_lists(std::mt19937_64& random) {
    std::vector<IpPrefix> allow;
    std::vector<IpPrefix> deny;
    for (const bool is_v4 : {true, false}) {
        std::vector<std::uint8_t> lengths(1 + random() % 40);
        for (std::uint8_t& length : lengths) {
            length = static_cast<std::uint8_t>(random() % (is_v4 ? 33 : 129));
        }
        lengths.push_back(is_v4 ? 32 : 128);
        for (const IpPrefix& each : random_prefixes(random, random() % 80, is_v4, lengths)) {
            (random() % 2 == 0 ? allow : deny).push_back(each);
        }
    }
    return {share(allow), share(deny)};
}

// Where a search may go wrong: the ends of every prefix, and addresses of no prefix's choice.
std::vector<IpAddress> sources_around(const std::vector<Lists>& lists, std::mt19937_64& random) {
    std::vector<IpAddress> sources;
    for (const Lists& both : lists) {
        for (const PrefixList& list : {both.allow, both.deny}) {
            const std::vector<IpAddress> more = edges(*list);
            sources.insert(sources.end(), more.begin(), more.end());
        }
    }
    for (int i = 0; i < 200; ++i) {
        const AddressBits bits{random(), random()};
        sources.push_back(address_of(masked(bits, kV4Bits), true));
        sources.push_back(address_of(bits, false));
    }
    return sources;
}

TEST(PrefixTable, FindsWhatTheNaiveSearchFinds) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 150; ++round) {
        std::vector<Lists> lists(1 + random() % 3);
        for (Lists& both : lists) {
            both = random_lists(random);
        }
        const std::vector<IpAddress> sources = sources_around(lists, random);
        const Table table(lists);
        for (std::uint32_t list = 1; list <= lists.size(); ++list) {
            for (const IpAddress& source : sources) {
                table.expect_right(list, source);
            }
            if (HasFatalFailure()) {
                return;
            }
        }
    }
}

// Every source there is, in a corner of 16 bits: no gap between the samples above.
TEST(PrefixTable, IsRightForEverySourceOfASixteenBitCorner) {
    std::mt19937_64 random(8);
    std::set<IpPrefix> prefixes;
    while (prefixes.size() < 300) {
        const std::uint32_t low = static_cast<std::uint32_t>(random() % 65'536);
        prefixes.insert(prefix_around(IpAddress::from_v4(Be32::from_host(0x0A14'0000U | low)),
                                      16 + static_cast<unsigned>(random() % 17)));
    }
    std::vector<IpPrefix> allow;
    std::vector<IpPrefix> deny;
    for (const IpPrefix& each : prefixes) {
        (random() % 2 == 0 ? allow : deny).push_back(each);
    }
    const Table table({{share(allow), share(deny)}});
    for (std::uint32_t low = 0; low < 65'536; ++low) {
        table.expect_right(1, IpAddress::from_v4(Be32::from_host(0x0A14'0000U | low)));
    }
}

// Those that need the most starts: none touches another.
std::vector<IpPrefix> worst_prefixes(bool is_v4, std::size_t count, unsigned length = 0) {
    std::mt19937_64 random(9);
    std::set<IpPrefix> prefixes;
    while (prefixes.size() < count) {
        const AddressBits bits{random() << (is_v4 ? 33U : 1U), random() | 1U};
        prefixes.insert(is_v4 ? prefix_around(address_of({bits.high, 0}, true), 32)
                              : prefix_around(address_of(bits, false), length));
    }
    return {prefixes.begin(), prefixes.end()};
}

void expect_within(const TableContent& content, const shm::PrefixCapacity& capacity) {
    EXPECT_LE(content.v4_leaves.size(), capacity.v4_leaves());
    EXPECT_LE(content.v6_leaves.size(), capacity.v6_leaves());
    EXPECT_LE(content.v4_blocks.size(), capacity.v4_blocks());
    EXPECT_LE(content.v6_blocks.size(), capacity.v6_blocks());
    EXPECT_LE(content.lows.size(), capacity.lows());
    EXPECT_LE(content.groups.size(), capacity.groups());
}

TEST(PrefixTable, TheMostPrefixesThatThereCanBeFitWhateverTheyAre) {
    for (const unsigned length : {32U, 64U, 128U}) {  // a /32 of IPv4, the others of IPv6
        const bool is_v4 = length == 32;
        const std::vector<IpPrefix> all = worst_prefixes(is_v4, shm::kMaxPrefixes, length);
        const Table table({{nullptr, share(all)}});
        expect_within(table.content, {1, shm::kMaxPrefixes});
        EXPECT_EQ(table.content.header.prefix_count, shm::kMaxPrefixes);
        if (length != 128) {
            EXPECT_EQ(is_v4 ? table.content.lists[0].v4_depth : table.content.lists[0].v6_depth,
                      is_v4 ? shm::kV4Levels : shm::kV6Levels);
        }
        for (const IpPrefix& each : all) {
            ASSERT_TRUE(table.judge(1, each.address).is_denied);
            AddressBits beside = bits_of(each.address);
            (length == 128 ? beside.low : beside.high) ^= is_v4 ? 1ULL << 32U : 1ULL;
            ASSERT_FALSE(table.judge(1, address_of(beside, is_v4)).is_denied);
        }
        std::vector<IpPrefix> more = all;
        more.push_back(prefix_around(address(is_v4 ? "::1" : "10.0.0.1"), is_v4 ? 128 : 32));
        const Lists too_many{nullptr, share(more)};
        const auto refused = build_prefix_table({&too_many, 1});
        ASSERT_FALSE(refused);
        EXPECT_NE(refused.error().message.find("262144"), std::string::npos);
    }
}

TEST(PrefixTable, TheMostListsThatThereCanBeFit) {
    std::vector<Lists> lists;
    for (unsigned i = 0; i < shm::kMaxPrefixLists; ++i) {
        std::vector<IpPrefix> some;
        for (const IpPrefix& each : worst_prefixes(i % 2 == 0, 1 + i % 64, i % 3 == 0 ? 64 : 128)) {
            some.push_back(each);
        }
        lists.push_back({nullptr, share(some)});
    }
    const Table table(lists);
    expect_within(table.content, {shm::kMaxPrefixLists, table.content.header.prefix_count});
    for (std::uint32_t list = 1; list <= lists.size(); ++list) {
        table.expect_right(list, lists[list - 1].deny->back().address);
    }
}

// The greatest keys, which also fill up blocks.
TEST(PrefixTable, TheEndOfTheAddresses) {
    const Table table({{share({prefix("255.255.255.255", 32), prefix("ffff:ffff:ffff:ffff::", 64)}),
                        share({prefix("255.255.255.254", 31),
                               prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0", 124),
                               prefix("ffff:ffff:ffff:fffe::7", 128)})}});
    for (const char* source : {"255.255.255.255",
                               "255.255.255.254",
                               "255.255.255.253",
                               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffef",
                               "ffff:ffff:ffff:ffff::",
                               "ffff:ffff:ffff:fffe::7",
                               "ffff:ffff:ffff:fffe::8",
                               "ffff:ffff:ffff:fffd::"}) {
        table.expect_right(1, address(source));
    }
}

TEST(PrefixTable, AThousandAddressesOfOneSlash64) {
    std::mt19937_64 random(10);
    std::set<IpPrefix> prefixes{prefix("2001:db8:0:1::", 64), prefix("2001:db8:0:1::", 80)};
    while (prefixes.size() < 1'000) {
        const AddressBits bits{0x2001'0DB8'0000'0001, random() % 3'000};
        prefixes.insert(
            prefix_around(address_of(bits, false), 120 + static_cast<unsigned>(random() % 9)));
    }
    std::vector<IpPrefix> allow;
    std::vector<IpPrefix> deny;
    for (const IpPrefix& each : prefixes) {
        (random() % 2 == 0 ? allow : deny).push_back(each);
    }
    const Table table({{share(allow), share(deny)}});
    for (std::uint64_t low = 0; low < 4'000; ++low) {
        table.expect_right(1, address_of({0x2001'0DB8'0000'0001, low}, false));
        table.expect_right(1, address_of({0x2001'0DB8'0000'0001, ~low}, false));
        table.expect_right(1, address_of({0x2001'0DB8'0000'0002, low}, false));
        table.expect_right(1, address_of({0x2001'0DB8'0000'0000, ~low}, false));
    }
}

TEST(PrefixTable, APrefixThatIsAllowedAndDeniedIsRefused) {
    const Lists both{share({prefix("10.0.0.0", 8), prefix("10.1.0.0", 16)}),
                     share({prefix("10.1.0.0", 16)})};
    const auto refused = build_prefix_table({&both, 1});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("10.1.0.0/16"), std::string::npos);
}

TEST(PrefixTable, IsTheSameForTheSameLists) {
    const Lists lists{nullptr, share({prefix("10.0.0.0", 8), prefix("2001:db8::", 32)})};
    const Lists equal{share({}), share({prefix("10.0.0.0", 8), prefix("2001:db8::", 32)})};
    const Lists other{nullptr, share({prefix("10.0.0.0", 8), prefix("2001:db9::", 32)})};
    EXPECT_TRUE(have_same_prefixes(lists, equal));
    EXPECT_FALSE(have_same_prefixes(lists, other));
    EXPECT_FALSE(have_same_prefixes(lists, {lists.deny, nullptr}));
    const auto first = build_prefix_table({&lists, 1});
    ASSERT_TRUE(first);
    const shm::PrefixCapacity capacity{1, 2};
    std::vector<std::byte> bytes(capacity.bytes());
    const Slot slot{bytes, capacity};
    EXPECT_FALSE(holds_prefix_table(*first, slot));
    store_prefix_table(*first, slot);
    EXPECT_TRUE(holds_prefix_table(*first, slot));
    EXPECT_TRUE(holds_prefix_table(*build_prefix_table({&equal, 1}), slot));
    EXPECT_FALSE(holds_prefix_table(*build_prefix_table({&other, 1}), slot));
}

}  // namespace
}  // namespace fairlead::prefix
