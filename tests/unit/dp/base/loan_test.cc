#include "dp/base/loan.h"

#include <array>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(Loan, IsHeldFromTakingToTakingTheNext) {
    Loan<int> loan;
    int object = 7;
    EXPECT_FALSE(loan.is_news(nullptr));
    loan.offer(&object);
    EXPECT_TRUE(loan.is_news(nullptr));
    EXPECT_EQ(loan.take(), &object);
    EXPECT_FALSE(loan.is_news(&object));
    loan.offer(nullptr);
    EXPECT_TRUE(loan.is_held());
    EXPECT_EQ(loan.take(), nullptr);
    EXPECT_FALSE(loan.is_held());
}

// What one thread destroys as soon as the other one lets it. A use after that is a data race, which
// ThreadSanitizer sees, and here a value that was never lent.
TEST(Loan, NothingIsUsedThatIsTakenBack) {
    constexpr int kLoans = 20'000;
    constexpr int kWhole = 0x600D;
    Loan<std::array<int, 2>> loan;
    std::atomic<bool> is_over = false;
    std::atomic<std::uint64_t> uses = 0;
    std::uint64_t broken = 0;
    std::thread borrower([&] {
        std::array<int, 2>* mine = nullptr;
        while (!is_over.load(std::memory_order_relaxed) || mine != nullptr) {
            if (loan.is_news(mine)) {
                mine = loan.take();
            }
            if (mine != nullptr) {
                (*mine)[1] = (*mine)[0];
                broken += (*mine)[1] == kWhole ? 0U : 1U;
                uses.fetch_add(1, std::memory_order_relaxed);
            }
        }
    });
    for (int i = 0; i < kLoans; ++i) {
        auto object = std::make_unique<std::array<int, 2>>(std::array{kWhole, 0});
        loan.offer(object.get());
        // Every other one is taken back at once, as likely as not while the borrower takes it.
        for (int turn = 0; turn < i % 2 * 50; ++turn) {
            std::this_thread::yield();
        }
        loan.offer(nullptr);
        while (loan.is_held()) {
            std::this_thread::yield();
        }
        *object = {-1, -1};
    }
    is_over = true;
    borrower.join();
    EXPECT_EQ(broken, 0U);
    EXPECT_GT(uses.load(), 0U);
}

}  // namespace
}  // namespace fairlead
