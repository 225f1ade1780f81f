#include "dp/engine/announcer.h"

#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/packets.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::address;
using fairlead::testing::mac;
using std::chrono::milliseconds;

const IpAddress kFirst = address("203.0.113.10");
const IpAddress kSecond = address("2001:db8::10");
const std::vector<MacAddress> kMacs{mac("02:00:00:00:00:01")};

class AnnouncerTest : public ::testing::Test {
  protected:
    // Turns every two milliseconds, with a worker that takes everything: VIP to times.
    std::map<IpAddress, unsigned> pass(milliseconds time) {
        std::map<IpAddress, unsigned> announced;
        for (const Announcer::Clock::time_point end = now_ + time; now_ < end;
             now_ += milliseconds(2)) {
            announcer_.turn(queue_, now_);
            while (const IpAddress* const vip = queue_.front()) {
                ++announced[*vip];
                queue_.pop();
            }
        }
        return announced;
    }

    AnnouncementQueue queue_;
    Announcer announcer_;
    Announcer::Clock::time_point now_{milliseconds(1'000'000)};
};

using Times = std::map<IpAddress, unsigned>;

TEST_F(AnnouncerTest, AnnouncesEachVipThreeTimesTwoSecondsApart) {
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(1'900)), (Times{{kFirst, 1}, {kSecond, 1}}));
    EXPECT_EQ(pass(milliseconds(2'000)), (Times{{kFirst, 1}, {kSecond, 1}}));
    EXPECT_EQ(pass(milliseconds(60'000)), (Times{{kFirst, 1}, {kSecond, 1}}));
}

TEST_F(AnnouncerTest, AGenerationWithTheSameVipsIsNoNews) {
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    (void)pass(milliseconds(10'000));
    announcer_.follow({kSecond, kFirst}, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(10'000)), Times{});
}

TEST_F(AnnouncerTest, AnnouncesOnlyTheVipThatIsAdded) {
    announcer_.follow({kFirst}, kMacs, now_);
    (void)pass(milliseconds(10'000));
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(10'000)), (Times{{kSecond, 3}}));
}

TEST_F(AnnouncerTest, AVipThatIsAddedDoesNotWaitForTheSecondTimeOfOthers) {
    announcer_.follow({kFirst}, kMacs, now_);
    (void)pass(milliseconds(10));
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(10)), (Times{{kSecond, 1}}));
}

TEST_F(AnnouncerTest, AVipThatIsGoneIsNotAnnouncedAnyMoreAndAnewWhenItComesBack) {
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    (void)pass(milliseconds(100));
    announcer_.follow({kSecond}, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(10'000)), (Times{{kSecond, 2}}));
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(10'000)), (Times{{kFirst, 3}}));
}

TEST_F(AnnouncerTest, AnotherMacAddressIsNewsOfAllVips) {
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    (void)pass(milliseconds(10'000));
    announcer_.follow({kFirst, kSecond}, {mac("02:00:00:00:00:02")}, now_);
    EXPECT_EQ(pass(milliseconds(10'000)), (Times{{kFirst, 3}, {kSecond, 3}}));
}

TEST_F(AnnouncerTest, RepeatingBeginsAnewWithTheVipsOfNow) {
    announcer_.repeat(now_);
    EXPECT_EQ(pass(milliseconds(1'000)), Times{});
    announcer_.follow({kFirst, kSecond}, kMacs, now_);
    (void)pass(milliseconds(2'100));
    announcer_.follow({kSecond}, kMacs, now_);
    announcer_.repeat(now_);
    EXPECT_EQ(pass(milliseconds(10'000)), (Times{{kSecond, 3}}));
}

TEST_F(AnnouncerTest, ManyVipsGoOneATurnAndNoneIsLost) {
    std::vector<IpAddress> vips;
    for (std::uint32_t i = 0; i < 4'000; ++i) {
        vips.push_back(IpAddress::from_v4(Be32::from_host(0xCB00'0000U + i)));
    }
    announcer_.follow(vips, kMacs, now_);
    EXPECT_EQ(pass(milliseconds(100)).size(), 50);
    std::size_t announced = 50;
    for (const auto& [vip, times] : pass(milliseconds(60'000))) {
        announced += times;
    }
    EXPECT_EQ(announced, 3 * vips.size());
}

TEST_F(AnnouncerTest, AWorkerThatTakesNothingMakesTheRestWait) {
    std::vector<IpAddress> vips;
    for (std::uint32_t i = 0; i < 100; ++i) {
        vips.push_back(IpAddress::from_v4(Be32::from_host(0xCB00'0000U + i)));
    }
    announcer_.follow(vips, kMacs, now_);
    for (int i = 0; i < 1'000; ++i) {
        announcer_.turn(queue_, now_);
    }
    std::size_t waiting = 0;
    while (queue_.front() != nullptr) {
        queue_.pop();
        ++waiting;
    }
    EXPECT_EQ(waiting, AnnouncementQueue::kCapacity);
    EXPECT_EQ(pass(milliseconds(1'000)).size(), vips.size() - AnnouncementQueue::kCapacity);
}

TEST(AnnouncementQueue, PassesEveryAddressInOrderFromOneThreadToAnother) {
    constexpr std::uint32_t kAddresses = 100'000;
    AnnouncementQueue queue;
    std::uint32_t wrong = 0;
    std::thread reader([&] {
        for (std::uint32_t i = 0; i < kAddresses;) {
            const IpAddress* const vip = queue.front();
            if (vip == nullptr) {
                std::this_thread::yield();
                continue;
            }
            if (*vip != IpAddress::from_v4(Be32::from_host(i++))) {
                ++wrong;
            }
            queue.pop();
        }
    });
    for (std::uint32_t i = 0; i < kAddresses;) {
        if (queue.push(IpAddress::from_v4(Be32::from_host(i)))) {
            ++i;
        } else {
            std::this_thread::yield();
        }
    }
    reader.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(queue.front(), nullptr);
}

}  // namespace
}  // namespace fairlead::engine
